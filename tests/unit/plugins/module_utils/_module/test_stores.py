# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules with stores, against the simulator: what check mode says, what is returned, how many requests."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from unit.doubles import Memory

from ansible_collections.community.honeycomb.plugins.module_utils._stores.store import Held, fingerprint
from simulator import Simulator

PLACE = "/keys/{environment}/{key_type}/{name}"
STORE = {"type": "file", "path": PLACE}


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch, quick_waits: int) -> Memory:
    made = Memory()
    made.install(monkeypatch)
    return made


@pytest.fixture
def api_keys(call_module: Callable[..., Any]) -> Any:
    def call(items: Any, *, check: bool = False, env: Any = None, **args: Any) -> Any:
        options = {"environment": "production", "key_type": "ingest", "store": STORE, **args, "api_keys": items}
        given = {option: value for option, value in options.items() if value is not None}
        return call_module("honeycomb_api_keys", given, check=check, env=env)

    return call


@pytest.fixture
def api_key(call_module: Callable[..., Any]) -> Any:
    def call(*, check: bool = False, env: Any = None, **args: Any) -> Any:
        options = {"environment": "production", "key_type": "ingest", "store": STORE, **args}
        given = {option: value for option, value in options.items() if value is not None}
        return call_module("honeycomb_api_key", given, check=check, env=env)

    return call


def path(name: str, key_type: str = "ingest") -> str:
    return f"/keys/production/{key_type}/{name}"


def at_home(sim: Simulator, memory: Memory, name: str, key_type: str = "ingest") -> bool:
    """The key is enabled, its value is live, and the pending slot is empty."""
    (key,) = [key for key in sim.keys(name) if key.key_type == key_type]
    slots = memory.at(path(name, key_type))
    return (key.disabled, slots.live, slots.pending) == (False, key.value, None)


def succeeded(result: Any) -> Any:
    assert not result.get("failed"), result["msg"]
    return result


def operations(sim: Simulator) -> Counter[str]:
    found = Counter(request.operation for request in sim.requests)
    sim.forget_requests()
    return found


# -- check mode --------------------------------------------------------------------------------------------------------

SITUATIONS = (
    "new",
    "new, disabled",
    "new, pending",
    "at home",
    "staged",
    "left disabled",
    "left enabled",
    "not published",
    "not settled",
    "lost, fail",
    "lost, ignore",
    "lost, replace",
    "waits",
    "renamed",
)


def arrange(sim: Simulator, memory: Memory, situation: str, key_type: str) -> dict[str, Any]:
    """Bring a situation about; what the item of the task says besides name and type."""
    name = situation.replace(", ", "-").replace(" ", "-")
    place: dict[str, Any] = {"environment": "production", "key_type": key_type}
    where = path(name, key_type)
    item: dict[str, Any] = {"name": name, "key_type": key_type}
    if situation.startswith("new"):
        state = situation.rpartition(" ")[2]
        return {**item, "state": state if state != "new" else "present"}
    if situation in ("staged", "left disabled", "left enabled"):
        key = sim.add_key(name=f"{name} [pending]", disabled=situation != "left enabled", **place)
        if situation == "staged":
            memory.put(where, pending=Held(key.value, key.id))
        return item
    old = "old name of " + name if situation.endswith("renamed") else name
    key = sim.add_key(name=old, disabled=situation == "waits", **place)
    if situation in ("at home", "not settled", "renamed"):
        memory.put(where, live=key.value)
    if situation in ("not published", "not settled", "waits"):
        memory.put(where, pending=Held(key.value, key.id))
    if situation in ("not published", "lost, replace"):
        memory.put(where, live="not a value")
    if situation == "not settled":
        sim.add_key(name=f"{name} [pending]", **place)
    if situation.endswith("renamed"):
        item["id"] = key.id
    return {**item, "on_missing": situation.split(", ")[1]} if situation.startswith("lost") else item


def comparable(result: Any) -> dict[str, Any]:
    """What check mode and the real run have to agree on: all but ids, times, and what depends on a new value."""
    rows = [
        {
            "action": row["action"],
            "name": row["name"],
            "disabled": row["disabled"],
            "permissions": row["permissions"],
            "stored": {part: row["stored"][part] for part in ("type", "place", "slot")} if "stored" in row else None,
        }
        for row in result.get("api_keys", [])
    ]
    found = {"changed": result.get("changed"), "rows": rows, "diff": result.get("diff"), "msg": result.get("msg")}
    cleaned: dict[str, Any] = json.loads(re.sub(r"\d{8}T\d{6}Z", "TIME", json.dumps(found)))
    return cleaned


@pytest.mark.parametrize("key_type", ["ingest", "configuration"])
@pytest.mark.parametrize("situation", SITUATIONS)
def test_check_mode_says_what_happens(
    sim: Simulator, memory: Memory, api_keys: Any, leaks: Any, situation: str, key_type: str
) -> None:
    item = arrange(sim, memory, situation, key_type)
    if situation == "new, pending":
        item["store"] = None
    options = {"store": None} if situation == "new, pending" else {}
    slots, keys = dict(memory.slots), [(key.id, key.name, key.disabled) for key in sim.keys()]
    predicted = api_keys([item], check=True, **options)
    assert memory.slots == slots, "check mode wrote into the store"
    assert not {"stage", "publish", "settle"} & set(memory.calls)
    assert [(key.id, key.name, key.disabled) for key in sim.keys()] == keys
    done = api_keys([item], **options)
    assert comparable(predicted) == comparable(done)
    if situation == "lost, fail":
        assert "on_missing=replace" in done["msg"]
        assert memory.slots == slots
        return
    succeeded(done)
    if situation == "new, pending":
        assert done["created"][0]["key"] == sim.key(done["api_keys"][0]["id"]).value
        return
    assert done["created"] == []
    assert not leaks(sim, done.output)
    name = item["name"]
    if situation == "new, disabled":
        (key,) = sim.keys(name)
        assert key.disabled
        assert memory.at(path(name, key_type)).pending == Held(key.value, key.id)
        assert done["api_keys"][0]["stored"]["slot"] == "pending"
    elif situation == "lost, ignore":
        assert "stored" not in done["api_keys"][0]
    else:
        assert at_home(sim, memory, name, key_type)
        (key,) = sim.keys(name)
        assert done["api_keys"][0]["id"] == key.id
        assert done["api_keys"][0]["stored"] == {
            "type": "memory",
            "place": f"memory {path(name, key_type)}",
            "slot": "live",
            "version": None,
            "fingerprint": fingerprint(key.value),
        }
    again = succeeded(api_keys([item], **options))
    assert (again["changed"], [row["action"] for row in again["api_keys"]]) == (False, ["none"])
    assert again["api_keys"][0].get("stored") == done["api_keys"][0].get("stored")
    assert not [key for key in sim.keys() if key.name.endswith("[pending]")]


def test_many_situations_in_one_task(sim: Simulator, memory: Memory, api_keys: Any) -> None:
    situations = [situation for situation in SITUATIONS if situation not in ("lost, fail", "new, pending")]
    items = [arrange(sim, memory, situation, "ingest") for situation in situations]
    predicted = api_keys(items, check=True)
    done = succeeded(api_keys(items))
    assert comparable(predicted) == comparable(done)
    assert not succeeded(api_keys(items))["changed"]


# -- one key -----------------------------------------------------------------------------------------------------------


def test_one_key_goes_home(sim: Simulator, memory: Memory, api_key: Any, leaks: Any) -> None:
    predicted = api_key(name="svc", check=True)
    done = succeeded(api_key(name="svc"))
    assert at_home(sim, memory, "svc")
    assert predicted["diff"] == done["diff"]
    assert (done["changed"], done["stored"]["place"]) == (True, "memory /keys/production/ingest/svc")
    assert predicted["stored"] == {**done["stored"], "fingerprint": None}
    assert "key" not in done and "secret" not in done
    assert not leaks(sim, done.output)
    again = succeeded(api_key(name="svc"))
    assert (again["changed"], again["stored"]) == (False, done["stored"])


@pytest.mark.parametrize("key_type", ["ingest", "configuration"])
@pytest.mark.parametrize("staged", [False, True])
def test_values_are_returned_on_request(
    sim: Simulator, memory: Memory, api_key: Any, key_type: str, staged: bool
) -> None:
    """Also that of a key which a run that died has created: to whoever asks, it is as new."""
    if staged:
        key = sim.add_key(name="svc [pending]", key_type=key_type, environment="production", disabled=True)
        memory.put(path("svc", key_type), pending=Held(key.value, key.id))
    done = succeeded(api_key(name="svc", key_type=key_type, return_values=True))
    (record,) = sim.keys("svc")
    assert (done["key"], done["secret"]) == (record.value, record.secret)
    assert at_home(sim, memory, "svc", key_type)
    assert "key" not in succeeded(api_key(name="svc", key_type=key_type, return_values=True))


def test_a_disabled_key_is_published_when_it_is_enabled(sim: Simulator, memory: Memory, api_key: Any) -> None:
    succeeded(api_key(name="svc", state="disabled"))
    (key,) = sim.keys("svc")
    assert (memory.at(path("svc")).live, memory.at(path("svc")).pending) == (None, Held(key.value, key.id))
    assert not succeeded(api_key(name="svc", state="disabled"))["changed"]
    done = succeeded(api_key(name="svc"))
    assert done["changed"]
    assert at_home(sim, memory, "svc")
    assert len(sim.keys()) == 1


def test_pending_then_confirmed(sim: Simulator, memory: Memory, api_key: Any) -> None:
    """The two-step form, where the user stores the value himself; an earlier try is put away."""
    first = succeeded(api_key(name="svc", state="pending", store=None))
    second = succeeded(api_key(name="svc", state="pending", store=None))
    assert first["key"] != second["key"]
    assert [(key.name, key.disabled) for key in sim.keys()] == [("svc [pending]", False)] * 2
    wanted = {"id": second["api_key"]["id"], "name": "svc", "store": None}
    assert succeeded(api_key(check=True, **wanted))["changed"]
    done = succeeded(api_key(**wanted))
    assert done["api_key"]["name"] == "svc"
    assert not sim.key(second["api_key"]["id"]).disabled
    assert sim.key(first["api_key"]["id"]).disabled
    assert not succeeded(api_key(**wanted))["changed"]
    # Neither task does anything from now on.
    again = succeeded(api_key(name="svc", state="pending", store=None))
    assert (again["changed"], "key" in again) == (False, False)


def test_what_can_not_be_put_away_keeps_a_key_from_being_confirmed(
    sim: Simulator, memory: Memory, api_key: Any
) -> None:
    for _try in range(2):
        last = succeeded(api_key(name="svc", state="pending", store=None))["api_key"]["id"]
    sim.fail("updateApiKey", status=422, shape="jsonapi")
    failed = api_key(id=last, name="svc", store=None)
    assert "which a run that died has left, failed" in failed["msg"]
    assert f"Key {last} was left as it is; rerun." in failed["msg"]
    assert sim.key(last).name == "svc [pending]"
    succeeded(api_key(id=last, name="svc", store=None))
    assert sorted(key.disabled for key in sim.keys()) == [False, True]


def test_the_services_words_are_in_the_result(sim: Simulator, memory: Memory, api_key: Any) -> None:
    sim.fail("updateApiKey", status=422, shape="jsonapi")
    failed = api_key(name="svc")
    assert failed["error"]["status"] == 422
    assert f"kept in the pending slot of memory {path('svc')}: rerun, and this key is used." in failed["msg"]
    created = [key.id for key in sim.keys()]
    succeeded(api_key(name="svc"))
    assert at_home(sim, memory, "svc")
    assert [key.id for key in sim.keys()] == created


# -- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    ("items", "store", "told"),
    [
        ([{"name": "a"}, {"name": "b"}], "/one", "the values of 'a' and 'b' would have the same place, memory /one"),
        (
            [{"name": "a"}, {"name": "a", "key_type": "configuration"}],
            "/{name}",
            "would have the same place, memory /a",
        ),
        (
            [{"name": "a"}],
            "/{nam}",
            "api_keys[0]: store.path: there is no placeholder {nam}. There are: {name}, {environ",
        ),
        ([{"name": "a"}], "/{my-name}", "api_keys[0]: store.path: there is no placeholder {my-name}."),
        ([{"name": "a/b"}], "/{name}", "api_keys[0]: store.path: the name 'a/b' can't be part of a place"),
        ([{"name": ".."}], "/{name}", "api_keys[0]: store.path: the name '..' can't be part of a place"),
        (
            [{"name": "a", "state": "pending", "store": {"path": "/{name}"}}],
            "/{name}",
            "api_keys[0]: state: with a store, the value gets home within",
        ),
    ],
)
def test_what_can_not_be_is_refused(
    sim: Simulator, memory: Memory, api_keys: Any, items: Any, store: str, told: str, check: bool
) -> None:
    failed = api_keys(items, store={"type": "file", "path": store}, check=check)
    assert told in failed["msg"]
    assert failed["failed_items"]
    assert sim.keys() == []
    assert memory.slots == {}


def test_a_key_given_by_its_id_is_not_replaced(sim: Simulator, memory: Memory, api_keys: Any) -> None:
    """Its replacement would have another id, so that every run would replace it again."""
    key = sim.add_key(name="svc", environment="production")
    failed = api_keys([{"id": key.id, "name": "svc", "on_missing": "replace"}])
    assert f"api_keys[0]: on_missing: key {key.id} is given by its id" in failed["msg"]
    assert len(sim.keys()) == 1


def test_a_store_without_a_pending_slot_has_nowhere_to_keep_the_value_of_a_disabled_key(
    sim: Simulator, memory: Memory, api_keys: Any
) -> None:
    memory.without_pending.add(path("a"))
    failed = api_keys([{"name": "a", "state": "disabled"}])
    assert "api_keys[0]: state: a store of type memory has no pending slot here" in failed["msg"]
    assert sim.keys() == []


def test_the_environment_in_a_place_has_to_be_known(sim: Simulator, memory: Memory, api_key: Any) -> None:
    environment = sim.environments[0]["id"]
    env = sim.environment_variables(sim.add_management_key(scopes=["api-keys:read", "api-keys:write"]))
    failed = api_key(name="svc", environment=environment, env=env)
    assert "store.path: {environment} can't be filled in" in failed["msg"]
    assert "environments:read" in failed["msg"]
    assert sim.keys() == []
    succeeded(api_key(name="svc", environment=environment, env=env, store={"type": "file", "path": "/{name}"}))
    assert memory.at("/svc").live == sim.keys("svc")[0].value


@pytest.mark.parametrize("many", [False, True])
def test_a_key_given_by_its_id_has_an_environment_too(
    sim: Simulator, memory: Memory, api_key: Any, api_keys: Any, many: bool
) -> None:
    key = sim.add_key(name="svc", environment="production")
    memory.put(path("svc"), pending=Held(key.value, key.id))
    if many:
        succeeded(api_keys([{"id": key.id}], environment=None, key_type=None))
    else:
        succeeded(api_key(id=key.id, environment=None, key_type=None))
    assert at_home(sim, memory, "svc")


# -- requests ----------------------------------------------------------------------------------------------------------


def test_as_few_requests_as_can_be(sim: Simulator, memory: Memory, api_keys: Any) -> None:
    sim.add_keys(20, environment="staging")
    items = [{"name": f"svc-{number}"} for number in range(100)]
    succeeded(api_keys(items, concurrency=16))
    expected = {"createApiKey": 100, "updateApiKey": 100, "getAuth": 100, "listEnvironments": 1, "getV2Auth": 1}
    # A page before, two of 100 after.
    assert operations(sim) == {**expected, "listApiKeys": 3}
    assert not succeeded(api_keys(items))["changed"]
    assert operations(sim) == {"listApiKeys": 2, "listEnvironments": 1, "getV2Auth": 1}


def test_each_container_is_read_and_written_once(sim: Simulator, memory: Memory, api_keys: Any) -> None:
    items = [{"name": f"svc-{number}"} for number in range(20)]
    succeeded(api_keys(items, store={"type": "file", "path": "/all", "format": "env", "entry": "{name}"}))
    assert Counter(memory.calls) == {"probe": 1, "read": 3, "stage": 1, "publish": 1, "settle": 1}
    assert all(memory.at("/all", key.name).live == key.value for key in sim.keys())
