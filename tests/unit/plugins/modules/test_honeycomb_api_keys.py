# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module honeycomb_api_keys against the simulator, as a user would use it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator import Simulator

MODULE = "honeycomb_api_keys"
DEFAULTS = {"environment": "production", "key_type": "ingest"}


@pytest.fixture
def api_keys(call_module: Callable[..., Any]) -> Any:
    def call(items: Any, *, check: Any = False, env: Any = None, **args: Any) -> Any:
        return call_module(MODULE, {**DEFAULTS, **args, "api_keys": items}, check=check, env=env)

    return call


def names(*given: Any, **more: Any) -> list[Any]:
    return [{"name": name, **more} for name in given]


def actions(result: Any) -> dict[Any, Any]:
    return {row["name"]: row["action"] for row in result["api_keys"]}


def writes(sim: Any) -> list[Any]:
    return [request.operation for request in sim.requests if request.method != "GET"]


def state(sim: Any) -> set[Any]:
    return {(key.name, key.key_type, key.environment, key.disabled) for key in sim.keys()}


def accepted(sim: Any, value: Any) -> bool:
    return requests.get(f"{sim.url}/1/auth", headers={"X-Honeycomb-Team": value}, timeout=5).status_code == 200


# What it does


def test_a_set_of_keys_in_one_go(sim: Simulator, api_keys: Any, leaks: Callable[..., list[str]]) -> None:
    items = [
        *names("a", "b"),
        {"name": "c", "key_type": "configuration", "permissions": {"send_events": True}},
        {"name": "a", "environment": "staging", "state": "disabled", "permissions": {}},
    ]
    result = api_keys(items, permissions={"create_datasets": True})
    assert result["changed"] and set(actions(result).values()) == {"create"}
    assert state(sim) == {
        ("a", "ingest", "production", False),
        ("b", "ingest", "production", False),
        ("c", "configuration", "production", False),
        ("a", "ingest", "staging", True),
    }
    assert [entry["name"] for entry in result["created"]] == ["a", "b", "c", "a"]
    assert [accepted(sim, entry["key"]) for entry in result["created"]] == [True, True, True, False]
    assert [row["id"] for row in result["api_keys"]] == [entry["id"] for entry in result["created"]]
    granted = [sorted(name for name, value in row["permissions"].items() if value) for row in result["api_keys"]]
    assert granted == [["create_datasets"], ["create_datasets"], ["send_events"], []]
    assert not leaks(sim, str(result["api_keys"]) + str(result["diff"]))


def test_as_few_requests_as_can_be(sim: Simulator, api_keys: Any) -> None:
    sim.add_keys(250, environment="staging")
    sim.add_keys(250, key_type="configuration", environment="staging")
    result = api_keys(names(*"abcdefghijklmnopqrstuvwxyz"))
    reads = [request.operation for request in sim.requests if request.method == "GET"]
    # Of one type only, as all items are.
    assert sorted(reads) == ["getV2Auth"] + 3 * ["listApiKeys"] + ["listEnvironments"]
    assert writes(sim) == 26 * ["createApiKey"]
    assert sim.connections <= 8

    sim.forget_requests()
    again = api_keys(names(*"abcdefghijklmnopqrstuvwxyz"))
    assert (again["changed"], again["created"], writes(sim)) == (False, [], [])
    assert again["diff"]["before"] == again["diff"]["after"] == result["diff"]["after"]


def test_every_kind_of_change_at_once(sim: Simulator, api_keys: Any) -> None:
    there: dict[str, dict[str, Any]] = {
        "same": {},
        "off": {},
        "on": {"disabled": True},
        "gone": {},
        "renamed": {},
        "more": {"permissions": {"send_events": True}},
    }
    by_name = {
        name: sim.add_key(name=name, key_type="configuration", environment="production", **attributes)
        for name, attributes in there.items()
    }
    items = [
        *names("same", "on"),
        {"name": "off", "state": "disabled"},
        {"name": "gone", "state": "absent"},
        {"id": by_name["renamed"].id, "name": "new name"},
        {"name": "more", "permissions": {"run_queries": True}},
        {"name": "new"},
        {"name": "never there", "state": "absent"},
    ]
    told = {
        "same": "none",
        "on": "enable",
        "off": "disable",
        "gone": "delete",
        "new name": "update",
        "more": "update",
        "new": "create",
        "never there": "none",
    }
    before = state(sim)
    predicted = api_keys(items, check=True, key_type="configuration")
    assert (actions(predicted), state(sim), writes(sim)) == (told, before, [])
    done = api_keys(items, key_type="configuration")
    assert actions(done) == told
    assert predicted["diff"] == done["diff"]
    assert state(sim) == {
        (name, "configuration", "production", name == "off")
        for name in ("same", "on", "off", "new name", "more", "new")
    }
    assert sorted(writes(sim)) == ["createApiKey", "deleteApiKey"] + 4 * ["updateApiKey"]
    assert [row["id"] for row in done["api_keys"] if row["name"] == "never there"] == [None]


# The simulator is the same for all examples, which is what a history is.
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_prediction_and_outcome_are_the_same(sim: Simulator, api_keys: Any, data: Any) -> None:
    item = st.fixed_dictionaries(
        {"name": st.sampled_from("abcd"), "state": st.sampled_from(["present", "disabled", "absent"])},
        optional={
            "key_type": st.sampled_from(["ingest", "configuration"]),
            "environment": st.sampled_from(["production", "staging"]),
        },
    )
    items = data.draw(st.lists(item, max_size=6))
    purge = data.draw(st.sampled_from(["none", "disable", "delete"]))
    options = {} if purge == "none" else {"purge": purge, "purge_all": True}
    before, known = state(sim), len(writes(sim))
    predicted = api_keys(items, check=True, **options)
    assert (state(sim), len(writes(sim))) == (before, known)
    done = api_keys(items, **options)
    if predicted.get("failed"):
        assert (done["msg"], state(sim)) == (predicted["msg"], before)
        return
    assert [done[part] for part in ("changed", "diff")] == [predicted[part] for part in ("changed", "diff")]
    assert actions(done) == actions(predicted)
    assert done["changed"] == (len(writes(sim)) > known)
    assert not api_keys(items, **options)["changed"]


# What is not listed


def test_purge_stays_within_its_bounds(sim: Simulator, api_keys: Any) -> None:
    kept = [
        sim.add_key(name="svc-x", environment="staging"),
        sim.add_key(name="svc-x", key_type="configuration", environment="production"),
        sim.add_key(name="other", environment="production"),
        sim.add_key(name="svc-a", environment="production"),
    ]
    generations = [
        sim.add_key(name=name, environment="production")
        for name in ("svc-a [pending]", "svc-a [retired 20260211T081500Z]", "svc-a [restored 20260211T081500Z]")
    ]
    others = ("svc-x", "svc-x", "svc-b [pending]", "svc-a [odd]")
    extra = [sim.add_key(name=name, environment="production") for name in others]
    off = sim.add_key(name="svc-off", environment="production", disabled=True)

    result = api_keys(names("svc-a"), purge="disable", purge_prefix="svc-")
    assert [row["action"] for row in result["api_keys"]] == ["none"] + 4 * ["disable"]
    assert all(sim.key(key.id).disabled for key in extra)
    assert not api_keys(names("svc-a"), purge="disable", purge_prefix="svc-")["changed"]

    api_keys(names("svc-a"), purge="delete", purge_prefix="svc-")
    assert [key.id for key in sim.keys()] == [key.id for key in kept + generations]
    assert sim.key(off.id) is None


def test_purge_knows_other_marks_when_told(sim: Simulator, api_keys: Any) -> None:
    key = sim.add_key(name="a [old 20260211T081500Z]", environment="production")
    api_keys(names("a"), purge="delete", marks={"retired": "old"})
    assert sim.key(key.id)
    api_keys(names("a"), purge="delete")
    assert sim.key(key.id) is None


def test_purge_spares_what_an_id_or_a_new_name_mentions(sim: Simulator, api_keys: Any) -> None:
    first, second = (sim.add_key(name=name, environment="production") for name in "ab")
    result = api_keys([{"id": first.id, "name": "c"}, {"id": second.id, "state": "disabled"}], purge="delete")
    assert actions(result) == {"c": "update", "b": "disable"}


def test_purge_spares_others_of_a_listed_name(sim: Simulator, api_keys: Any) -> None:
    """Which of two keys of one name is meant is not for a purge to decide."""
    first, _second = sim.add_keys(2, name="a", environment="production")
    assert not api_keys([{"id": first.id}], purge="delete")["changed"]


def test_a_purge_is_done_in_one_run(sim: Simulator, api_keys: Any) -> None:
    """Names that are gone afterwards, or of another type or environment, protect nothing: a rerun finds the same."""
    gone = sim.add_key(name="gone", environment="production")
    renamed = sim.add_key(name="old name", environment="production")
    sim.add_key(name="other type", key_type="configuration", environment="production")
    others = [
        sim.add_key(name=name, environment="production") for name in ("gone", "old name", "other type", "elsewhere")
    ]
    items = [
        {"id": gone.id, "state": "absent"},
        {"id": renamed.id, "name": "new name"},
        {"name": "other type", "key_type": "configuration"},
        {"name": "elsewhere", "environment": "staging"},
    ]
    api_keys(items, purge="delete")
    assert not [key for key in others if sim.key(key.id)]
    items[0] = {"name": "gone", "state": "absent"}
    assert not api_keys(items, purge="delete")["changed"]


def test_nothing_is_purged_when_an_item_failed(sim: Simulator, api_keys: Any) -> None:
    old = sim.add_key(name="old", environment="production")
    sim.fail("createApiKey", status=422)
    result = api_keys(names("new"), purge="delete")
    assert "Nothing was purged (1 due)" in result["msg"]
    assert sim.key(old.id)


@pytest.mark.parametrize("items", [[], names("gone", state="absent")], ids=["nothing", "only absent ones"])
@pytest.mark.parametrize("prefix", [None, "svc-"])
@pytest.mark.parametrize("action", ["disable", "delete"])
def test_a_purge_that_keeps_nothing_needs_a_word(
    sim: Simulator, api_keys: Any, items: Any, prefix: Any, action: Any
) -> None:
    """An undefined variable behind default([]) must not be enough to take every key."""
    keys = [sim.add_key(name=name, environment="production") for name in ("svc-a", "svc-b", "gone")]
    options = {"purge": action, **({"purge_prefix": prefix} if prefix else {})}
    for check in (True, False):
        result = api_keys(items, check=check, **options)
        assert result.get("failed") and "purge_all=true" in result["msg"]
    assert sim.requests == []
    assert api_keys(items, purge_all=True, **options)["changed"]
    taken = [sim.key(key.id) is None if action == "delete" else sim.key(key.id).disabled for key in keys[:2]]
    assert taken == [True, True]


@pytest.mark.parametrize(
    "keeper",
    [
        {"name": "svc-a", "environment": "staging"},
        {"name": "svc-a", "key_type": "configuration"},
        {"name": "other"},
    ],
    ids=["elsewhere", "other type", "other name"],
)
def test_a_key_outside_of_the_purge_keeps_nothing(sim: Simulator, api_keys: Any, keeper: Any) -> None:
    """Only what the purge could take tells that the list is meant for it."""
    keys = [sim.add_key(name=name, environment="production") for name in ("svc-b", "svc-c")]
    for check in (True, False):
        result = api_keys([keeper], check=check, purge="delete", purge_prefix="svc-")
        assert result.get("failed") and "purge_all=true" in result["msg"]
    assert writes(sim) == []
    assert api_keys([keeper, {"name": "svc-b"}], purge="delete", purge_prefix="svc-")["changed"]
    assert [bool(sim.key(key.id)) for key in keys] == [True, False]


def test_as_many_requests_at_once_as_were_asked_for(sim: Simulator, api_keys: Any) -> None:
    """Creations and changes share the connections, and the time of a request does not begin while it waits for one."""
    sim.latency = 0.3
    off = [sim.add_key(name=f"off-{number}", environment="production") for number in range(8)]
    items = names(*(f"new-{number}" for number in range(8))) + [{"id": key.id, "state": "disabled"} for key in off]
    result = api_keys(items, concurrency=4, timeout=0.5, max_wait=0)
    assert not result.get("failed"), result["msg"]
    assert len(result["created"]) == 8 and writes(sim).count("createApiKey") == 8
    assert sim.connections <= 4


def test_purge_needs_its_bounds(sim: Simulator, call_module: Callable[..., Any]) -> None:
    result = call_module(MODULE, {"api_keys": [], "purge": "delete", "key_type": "ingest"})
    assert "environment" in result["msg"]
    assert sim.requests == []


# What is refused


@pytest.mark.parametrize(
    ("items", "words"),
    [
        (names("a", "b", "a"), ["api_keys[2]", "api_keys[0]", "the ingest key 'a'"]),
        (names("there", "b", "there"), ["api_keys[2]", "api_keys[0]"]),
        (names("a") + names("a", state="absent"), ["api_keys[1]", "api_keys[0]"]),
        ([{"id": "@"}, {"id": "@", "state": "disabled"}], ["api_keys[1]: key @", "api_keys[0]"]),
        ([{"id": "@"}, {"name": "there"}], ["api_keys[1]: key @", "api_keys[0]"]),
        ([{"name": "b"}, {"id": "@", "name": "b"}], ["api_keys[1]", "key 'b'", "api_keys[0]"]),
        ([{"id": "hcxik_gone", "state": "absent"}] * 2, ["api_keys[1]: key hcxik_gone", "api_keys[0]"]),
        (names("b", " ", "c") + [{}], ["2 of 4", "api_keys[1]: name", "api_keys[3]: Give a name"]),
        ([{"name": "b"}, {"name": "c", "environment": "nowhere"}], ["api_keys[1]: environment", "nowhere"]),
        ([{"name": "b", "permissions": {"run_queries": True}}], ["api_keys[0]: permissions.run_queries"]),
        ([{"name": "b"}, {"name": "twice"}], ["api_keys[1]: name: 2 ingest keys"]),
        ([{"name": "b"}, {"name": "c", "time_to_live": "2001-01-01T00:00:00Z"}], ["api_keys[1]: time_to_live"]),
        ([{"name": "b"}, {"id": "hcxik_gone"}], ["api_keys[1]: id", "hcxik_gone"]),
        ([{"id": "@", "key_type": "configuration", "state": "absent"}], ["api_keys[0]: key_type"]),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    sim: Simulator, api_keys: Any, items: Any, words: Any
) -> None:
    key = sim.add_key(name="there", environment="production")
    sim.add_keys(2, name="twice", environment="production")
    items = [{name: key.id if value == "@" else value for name, value in item.items()} for item in items]
    for check in (True, False):
        result = api_keys(items, check=check)
        assert result["failed"] and writes(sim) == []
        for word in words:
            assert word.replace("@", key.id) in result["msg"]
        assert all(item["msg"].startswith(f"api_keys[{item['index']}]: ") for item in result["failed_items"])


def test_many_wrong_items_do_not_flood_the_message(sim: Simulator, api_keys: Any) -> None:
    result = api_keys([{"name": " "}] * 20)
    assert "20 of 20" in result["msg"] and "15 more" in result["msg"]
    assert [item["index"] for item in result["failed_items"]] == list(range(20))


@pytest.mark.parametrize("concurrency", [0, 17])
def test_concurrency_has_bounds(sim: Simulator, api_keys: Any, concurrency: Any) -> None:
    assert "concurrency" in api_keys(names("a"), concurrency=concurrency)["msg"]
    assert sim.requests == []


def test_swapping_names_is_no_conflict(sim: Simulator, api_keys: Any) -> None:
    first, second = (sim.add_key(name=name, environment="production") for name in "ab")
    api_keys([{"id": first.id, "name": "b"}, {"id": second.id, "name": "a"}])
    assert (sim.key(first.id).name, sim.key(second.id).name) == ("b", "a")


def test_ids_alone_do_without_environments(sim: Simulator, api_keys: Any) -> None:
    """A management key that may not read environments, with environments given by their ids."""
    places = [entry["id"] for entry in sim.environments]
    env = sim.environment_variables(sim.add_management_key(scopes=["api-keys:read", "api-keys:write"]))
    result = api_keys([{"name": "a", "environment": place} for place in places], environment=places[0], env=env)
    assert set(actions(result).values()) == {"create"}
    assert [request.operation for request in sim.requests].count("listEnvironments") == 1


# What goes wrong on the way


def test_a_failure_hands_back_everything_else(sim: Simulator, api_keys: Any) -> None:
    sim.fail("createApiKey", nth=2, status=422, shape="jsonapi")
    result = api_keys(names("a", "b", "c", "d"), concurrency=1)
    assert (result["failed"], result["changed"], result["error"]["status"]) == (True, True, 422)
    assert [(item["index"], item["name"]) for item in result["failed_items"]] == [(1, "b")]
    assert actions(result) == {"a": "create", "b": "failed", "c": "create", "d": "create"}
    assert [entry["name"] for entry in result["created"]] == ["a", "c", "d"]
    assert all(accepted(sim, entry["key"]) for entry in result["created"])
    assert "1 of 4" in result["msg"] and "api_keys[1]: " in result["msg"]
    assert len(result["diff"]["after"]) == 3
    again = api_keys(names("a", "b", "c", "d"))
    assert [entry["name"] for entry in again["created"]] == ["b"]


@pytest.mark.parametrize(
    "loss",
    [
        {"effect": "reset", "after": True},
        {"effect": "hang", "after": True, "delay": 1},
        {"effect": "garbage"},
        {"effect": "redirect", "after": True},
        {"effect": "status", "shape": "html", "after": True},
    ],
    ids=str,
)
def test_lost_answers_at_every_kind_of_write(sim: Simulator, api_keys: Any, quick_waits: int, loss: Any) -> None:
    sim.add_keys(3, name="gone-{number}", environment="production")
    sim.add_keys(3, name="off-{number}", environment="production")
    for operation in ("createApiKey", "updateApiKey", "deleteApiKey"):
        if not (operation == "deleteApiKey" and loss["effect"] == "garbage"):
            sim.fail(operation, nth=2, **loss)
    items = names(*"abcdef") + names("off-1", "off-2", "off-3", state="disabled")
    result = api_keys(items, purge="delete", timeout=0.5, max_wait=60)
    assert not result.get("failed"), result["msg"]
    assert [(key.name, key.disabled) for key in sorted(sim.keys(), key=lambda key: key.name)] == [
        *((name, False) for name in "abcdef"),
        *((f"off-{number}", True) for number in (1, 2, 3)),
    ]
    assert {entry["key"] for entry in result["created"]} == {key.value for key in sim.keys() if not key.disabled}


def test_a_service_that_goes_away_takes_no_value_with_it(sim: Simulator, api_keys: Any, quick_waits: int) -> None:
    sim.fail("createApiKey", effect="down", nth=4)
    result = api_keys(names(*"abcdefgh"), concurrency=2, timeout=0.5, max_wait=60)
    assert result["failed"] and len(result["created"]) == 3
    assert {entry["key"] for entry in result["created"]} == {key.value for key in sim.keys()}
    assert len(result["failed_items"]) == 5


def test_a_long_wait_for_the_rate_limit_is_told_beforehand(sim: Simulator, call_module: Any, tmp_path: Path) -> None:
    """And what was told is what it takes: one request of each kind for each key, of which 20 fit into a window."""
    sim.rate_limit = (20, 2)
    store = {"type": "file", "path": f"{tmp_path}/keys/{{name}}"}
    arguments = {
        "environment": "production",
        "key_type": "ingest",
        "api_keys": [{"name": f"svc-{number}"} for number in range(50)],
        "store": store,
    }
    told = call_module("honeycomb_api_keys", arguments, check=True)["expected_wait"]
    sim.forget_requests()
    began = time.monotonic()
    done = call_module("honeycomb_api_keys", arguments)
    took = time.monotonic() - began
    counts = Counter(request.operation for request in sim.requests if request.status != 429)
    assert [counts[name] for name in ("createApiKey", "updateApiKey", "getAuth")] == [50, 50, 50]
    assert 3 <= told <= 6
    assert done["expected_wait"] in (told - 1, told, told + 1)
    assert took >= told - 1.5


def test_a_wait_that_is_longer_than_the_task_may_wait(sim: Simulator, run_module: Any) -> None:
    sim.rate_limit = (100, 60)
    arguments = {"environment": "production", "key_type": "ingest", "max_wait": 90}
    arguments["api_keys"] = [{"name": f"svc-{number}"} for number in range(250)]
    told = run_module("honeycomb_api_keys", arguments, check=True)
    assert 110 < told["expected_wait"] < 130
    (warning,) = told["warnings"]
    assert "rate limit would hold this task for about 2 min" in str(warning)
    assert "more than max_wait allows (1 min 30 s)" in str(warning)
