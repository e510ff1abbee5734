# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module honeycomb_api_key against the simulator, as a user would use it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator import Simulator
from simulator.records import PERMISSIONS

MODULE = "honeycomb_api_key"
INGEST = {"key_type": "ingest", "environment": "production"}
CONFIGURATION = {"key_type": "configuration", "environment": "production"}


@pytest.fixture
def api_key(call_module: Callable[..., Any]) -> Any:
    def call(*, check: Any = False, env: Any = None, **args: Any) -> Any:
        return call_module(MODULE, args, check=check, env=env)

    return call


def writes(sim: Any) -> list[Any]:
    return [request for request in sim.requests if request.method != "GET"]


def refused(result: Any, *words: Any) -> Any:
    """A clear failure that says all of the words."""
    assert result.get("failed"), result
    for word in words:
        assert word in result["msg"]
    return result["msg"]


# Creating


@pytest.mark.parametrize(("key_type", "length"), [("ingest", 64), ("configuration", 22)])
def test_created_key_works_for_applications(
    sim: Simulator, api_key: Any, leaks: Callable[..., list[str]], key_type: Any, length: Any
) -> None:
    result = api_key(
        name="checkout",
        key_type=key_type,
        environment="production",
        permissions={"create_datasets": True, **({"send_events": True} if key_type == "configuration" else {})},
    )
    (record,) = sim.keys("checkout")
    assert (result["changed"], result["key"], result["secret"]) == (True, record.value, record.secret)
    assert len(result["key"]) == length
    assert result["api_key"]["id"] == record.id
    assert not leaks(sim, str(result["api_key"]) + str(result["diff"]))

    headers = {"X-Honeycomb-Team": result["key"]}
    auth = requests.get(f"{sim.url}/1/auth", headers=headers, timeout=5)
    assert (auth.status_code, auth.json()["type"]) == (200, key_type)
    sent = requests.post(f"{sim.url}/1/events/orders", json={"duration": 3}, headers=headers, timeout=5)
    assert sent.status_code == 200
    assert sim.accepted == 1

    again = api_key(name="checkout", key_type=key_type, environment="production")
    assert not again["changed"]
    assert "key" not in again and "secret" not in again
    assert not leaks(sim, again.output)


def test_result_of_a_new_key(sim: Simulator, api_key: Any) -> None:
    result = api_key(name="checkout", permissions={"create_datasets": True}, **INGEST)
    (record,) = sim.keys("checkout")
    place = next(place for place in sim.environments if place["slug"] == "production")
    described = result["api_key"]
    assert described.pop("created_at").endswith("Z")
    assert described.pop("updated_at").endswith("Z")
    assert described == {
        "id": record.id,
        "name": "checkout",
        "key_type": "ingest",
        "environment": {name: place[name] for name in ("id", "name", "slug")},
        "disabled": False,
        "permissions": {"create_datasets": True},
    }
    assert result["diff"] == {
        "before": {},
        "after": {
            "name": "checkout",
            "key_type": "ingest",
            "environment": "production",
            "disabled": False,
            "permissions": {"create_datasets": True},
        },
    }


@pytest.mark.parametrize("spelling", ["Production", "production", "id"])
def test_environment_by_name_slug_or_id(sim: Simulator, api_key: Any, spelling: Any) -> None:
    place = sim.environments[0]
    result = api_key(name="checkout", key_type="ingest", environment=place["id"] if spelling == "id" else spelling)
    assert result["api_key"]["environment"]["id"] == place["id"]


@pytest.mark.parametrize(
    "name",
    ["caf\u00e9 \u2615", "team/checkout", 'it\'s "quoted" \\ \u00fcber', "\U0001f511" * 100, "100% $HOME {x}", "x  x"],
)
def test_unusual_names(sim: Simulator, api_key: Any, name: Any) -> None:
    created = api_key(name=name, **INGEST)
    assert created["api_key"]["name"] == name == sim.key(created["api_key"]["id"]).name
    assert not api_key(name=name, **INGEST)["changed"]
    assert api_key(name=name, state="absent", **INGEST)["changed"]
    assert not sim.keys()


def test_preprovisioned_key_is_refused_until_it_is_enabled(sim: Simulator, api_key: Any) -> None:
    result = api_key(name="later", state="disabled", **INGEST)
    assert (result["changed"], result["api_key"]["disabled"]) == (True, True)
    headers = {"X-Honeycomb-Team": result["key"]}
    assert requests.get(f"{sim.url}/1/auth", headers=headers, timeout=5).status_code == 401
    assert not api_key(name="later", state="disabled", **INGEST)["changed"]

    enabled = api_key(name="later", **INGEST)
    assert (enabled["changed"], enabled["api_key"]["disabled"]) == (True, False)
    assert "key" not in enabled
    assert requests.get(f"{sim.url}/1/auth", headers=headers, timeout=5).status_code == 200


# Not quoted in a playbook, YAML makes a date of it, and Ansible a text with a blank.
@pytest.mark.parametrize("text", ["2099-01-31T12:00:00Z", "2099-01-31 12:00:00+00:00", "2099-01-31T13:00:00.25+01:00"])
def test_time_to_live(sim: Simulator, api_key: Any, text: Any) -> None:
    assert api_key(name="short", time_to_live=text, **INGEST)["changed"]
    (record,) = sim.keys("short")
    assert record.time_to_live.isoformat() == "2099-01-31T12:00:00+00:00"
    assert not api_key(name="short", time_to_live=text, **INGEST)["changed"]
    refused(api_key(name="short", time_to_live="2098-01-31T12:00:00Z", **INGEST), "time_to_live", record.id)
    assert len(writes(sim)) == 1


@pytest.mark.parametrize("check", [True, False])
def test_time_to_live_that_is_over(sim: Simulator, api_key: Any, check: Any) -> None:
    refused(
        api_key(name="short", time_to_live="2001-01-31T12:00:00Z", check=check, **INGEST), "time_to_live", "in the past"
    )
    assert not writes(sim)


# Finding


def test_a_name_counts_within_type_and_environment(sim: Simulator, api_key: Any) -> None:
    for key_type, place in itertools.product(("ingest", "configuration"), ("production", "staging")):
        sim.add_key("twin", key_type, place)
    for key_type, place in itertools.product(("ingest", "configuration"), ("production", "staging")):
        result = api_key(name="twin", key_type=key_type, environment=place, state="disabled")
        assert result["changed"]
        (record,) = [key for key in sim.keys("twin", place) if key.key_type == key_type]
        assert (record.id, record.disabled) == (result["api_key"]["id"], True)
    assert len(sim.keys()) == 4


@pytest.mark.parametrize("state", ["present", "disabled", "absent"])
@pytest.mark.parametrize("check", [True, False])
def test_ambiguous_name_lists_ids_and_changes_nothing(sim: Simulator, api_key: Any, state: Any, check: Any) -> None:
    twins = [sim.add_key("twin", "ingest", "production") for number in range(3)]
    message = refused(api_key(name="twin", state=state, check=check, **INGEST), "'twin'", "production", "id")
    assert all(twin.id in message for twin in twins)
    assert not writes(sim)


def test_id_wins_over_name_and_settles_ambiguity(sim: Simulator, api_key: Any) -> None:
    one, two = (sim.add_key("twin", "ingest", "production") for number in range(2))
    assert api_key(id=one.id, name="twin", state="disabled", **INGEST)["changed"]
    assert (sim.key(one.id).disabled, sim.key(two.id).disabled) == (True, False)


def test_name_is_found_among_many_pages(sim: Simulator, api_key: Any) -> None:
    keys = sim.add_keys(250)
    result = api_key(name="key 237", state="disabled", **INGEST)
    assert result["api_key"]["id"] == keys[236].id
    listings = [request for request in sim.requests if request.operation == "listApiKeys"]
    assert [request.query["page[size]"] for request in listings] == ["100"] * 3
    assert all(request.query["filter[type]"] == "ingest" for request in listings)
    assert len({request.connection for request in sim.requests}) == 1


def test_the_third_character_of_ids_varies(sim: Simulator, api_key: Any) -> None:
    from simulator import Simulator

    with Simulator(region="b") as europe:
        env = europe.environment_variables()
        env["HONEYCOMB_KEY_ID"], env["HONEYCOMB_KEY_SECRET"] = europe.add_management_key(
            ["api-keys:read", "api-keys:write"]
        )
        place = europe.environments[0]["id"]
        result = api_key(name="eu", key_type="ingest", environment=place, env=env)
        assert result["key"] == europe.keys("eu")[0].value


# Changing


def test_rename_by_id(sim: Simulator, api_key: Any) -> None:
    key = sim.add_key("old", "configuration", "staging", permissions={"run_queries": True})
    for check in (True, False):
        result = api_key(id=key.id, name="new", check=check)
        assert result["changed"]
        assert result["api_key"]["name"] == "new"
        assert (result["diff"]["before"]["name"], result["diff"]["after"]["name"]) == ("old", "new")
    assert sim.key(key.id).name == "new"
    assert sim.key(key.id).permissions["run_queries"]
    assert not api_key(id=key.id, name="new")["changed"]
    (write,) = writes(sim)
    assert write.body["data"]["attributes"] == {"name": "new"}


def test_without_a_name_the_name_stays(sim: Simulator, api_key: Any) -> None:
    key = sim.add_key("old", "ingest", "staging")
    assert api_key(id=key.id, state="disabled")["api_key"]["name"] == "old"
    assert not api_key(id=key.id, state="disabled")["changed"]
    assert api_key(id=key.id)["changed"]


@pytest.mark.parametrize("purge", [True, False])
def test_purge_permissions(sim: Simulator, api_key: Any, purge: Any) -> None:
    sim.add_key("ci", "configuration", "production", permissions={"manage_markers": True, "run_queries": True})
    for check in (True, False):
        result = api_key(
            name="ci",
            permissions={"send_events": True, "run_queries": True},
            purge_permissions=purge,
            check=check,
            **CONFIGURATION,
        )
        assert result["changed"]
        granted = {name for name, value in result["api_key"]["permissions"].items() if value}
        assert granted == {"send_events", "run_queries"} | (set() if purge else {"manage_markers"})
        assert set(result["api_key"]["permissions"]) == set(PERMISSIONS["configuration"])
    (record,) = sim.keys("ci")
    assert {name for name, value in record.permissions.items() if value} == granted
    assert not api_key(
        name="ci", permissions={"send_events": True, "run_queries": True}, purge_permissions=purge, **CONFIGURATION
    )["changed"]


def test_without_permissions_they_are_left_alone(sim: Simulator, api_key: Any) -> None:
    sim.add_key("ci", "configuration", "production", permissions={"manage_markers": True})
    assert not api_key(name="ci", **CONFIGURATION)["changed"]
    assert api_key(name="ci", state="disabled", **CONFIGURATION)["api_key"]["permissions"]["manage_markers"]


def test_empty_permissions_take_all_away(sim: Simulator, api_key: Any) -> None:
    sim.add_key("ci", "configuration", "production", permissions={"manage_markers": True})
    assert not api_key(name="ci", permissions={}, purge_permissions=False, **CONFIGURATION)["changed"]
    assert not any(api_key(name="ci", permissions={}, **CONFIGURATION)["api_key"]["permissions"].values())


@pytest.mark.parametrize("spelling", ["manage_privateBoards", "manage_private_boards"])
def test_private_boards_in_both_spellings(sim: Simulator, api_key: Any, spelling: Any) -> None:
    result = api_key(name="boards", permissions={spelling: True}, **CONFIGURATION)
    assert result["api_key"]["permissions"]["manage_privateBoards"]
    assert "manage_private_boards" not in result["api_key"]["permissions"]
    assert sim.keys("boards")[0].permissions["manage_privateBoards"]
    assert not api_key(name="boards", permissions={spelling: True}, **CONFIGURATION)["changed"]
    assert api_key(name="boards", permissions={spelling: False}, **CONFIGURATION)["changed"]


@pytest.mark.parametrize("before", [None, {}, {"manage_privateBoards": True}, {"visible_team_members": True}])
def test_private_boards_and_visible_members_exclude_each_other(sim: Simulator, api_key: Any, before: Any) -> None:
    if before is not None:
        sim.add_key("boards", "configuration", "production", permissions=before)
    both = {"manage_privateBoards": True, "visible_team_members": True}
    wanted = {name: value for name, value in both.items() if name not in (before or {})}
    result = api_key(name="boards", permissions=wanted, purge_permissions=False, **CONFIGURATION)
    refused(result, "manage_privateBoards", "visible_team_members")
    assert not writes(sim)


def test_a_key_that_has_both_can_still_be_changed(sim: Simulator, api_key: Any) -> None:
    both = {"manage_privateBoards": True, "visible_team_members": True}
    key = sim.add_key("boards", "configuration", "production", permissions={**both, "run_queries": True})
    assert api_key(id=key.id, name="renamed")["changed"]
    assert api_key(id=key.id, permissions={"run_queries": False}, purge_permissions=False)["changed"]
    assert api_key(id=key.id, permissions={"manage_privateBoards": True})["changed"]
    assert not sim.key(key.id).permissions["visible_team_members"]


def test_answer_that_differs_from_what_was_asked_for_is_told(run_module: Callable[..., Any]) -> None:
    from simulator import Simulator

    with Simulator(signals_on_update=False) as strict:
        strict.add_key("ci", "configuration", "production")
        wanted = {"name": "ci", "permissions": {"manage_signals": True}, **CONFIGURATION}
        result = run_module(MODULE, wanted, env=strict.environment_variables())
        assert not result["api_key"]["permissions"]["manage_signals"]
        assert any("permissions" in str(warning) for warning in result["warnings"])


# What can't be changed, refused before anything is written


UNCHANGEABLE: list[Any] = [
    ("ingest", {"key_type": "configuration"}, ["key_type", "ingest", "configuration", "can't be changed"]),
    ("ingest", {"environment": "staging"}, ["environment", "can't be changed"]),
    ("ingest", {"permissions": {"create_datasets": True}}, ["permissions.create_datasets", "can't be changed"]),
    ("ingest", {"permissions": {"send_events": True}}, ["permissions.send_events", "ingest"]),
    ("ingest", {"time_to_live": "2099-01-01T00:00:00Z"}, ["time_to_live", "can't be changed"]),
    ("configuration", {"time_to_live": "2099-01-01T00:00:00Z"}, ["time_to_live", "ingest"]),
    ("configuration", {"key_type": "ingest"}, ["key_type", "can't be changed"]),
]


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    ("state", "key_type", "wanted", "words"),
    [
        (state, *case)
        for state in ("present", "disabled", "absent")
        for case in UNCHANGEABLE
        # The rest does not matter for a key that goes.
        if state != "absent" or {"key_type", "environment"} & set(case[1])
    ],
)
def test_unchangeable_attributes(
    sim: Simulator, api_key: Any, key_type: Any, wanted: Any, words: Any, state: Any, check: Any
) -> None:
    expiry: dict[str, Any] = (
        {"time_to_live": sim.now().replace(year=2098)} if "time_to_live" in wanted and key_type == "ingest" else {}
    )
    key = sim.add_key("fixed", key_type, "production", **expiry)
    refused(api_key(id=key.id, name="renamed too", state=state, check=check, **wanted), *words)
    assert not writes(sim)
    assert sim.key(key.id) == key


def test_unchangeable_attributes_of_a_key_found_by_name(sim: Simulator, api_key: Any) -> None:
    key = sim.add_key("fixed", "ingest", "production", permissions={"create_datasets": True})
    refused(
        api_key(name="fixed", permissions={"create_datasets": False}, **INGEST),
        key.id,
        "permissions.create_datasets",
        "create another key",
    )
    refused(api_key(name="fixed", permissions={}, **INGEST), key.id, "permissions.create_datasets")
    assert not api_key(name="fixed", permissions={}, purge_permissions=False, **INGEST)["changed"]
    assert not api_key(name="fixed", permissions={"create_datasets": True, "run_queries": False}, **INGEST)["changed"]
    assert not writes(sim)


# Deleting, and unknown ids


def test_absent_by_name_and_by_id(sim: Simulator, api_key: Any) -> None:
    one, two = sim.add_key("one", "ingest", "production"), sim.add_key("two", "ingest", "production")
    for wanted, key in (({"name": "one", **INGEST}, one), ({"id": two.id}, two)):
        assert api_key(state="absent", check=True, **wanted)["changed"]
        assert sim.key(key.id)
        gone = api_key(state="absent", **wanted)
        assert (gone["changed"], gone["api_key"], gone["diff"]["after"]) == (True, {}, {})
        assert gone["diff"]["before"]["name"] == key.name
        assert not sim.key(key.id)
        again = api_key(state="absent", **wanted)
        assert (again["changed"], again["api_key"], again["diff"]) == (False, {}, {"before": {}, "after": {}})


def test_absent_with_another_name_is_refused(sim: Simulator, api_key: Any) -> None:
    key = sim.add_key("precious", "ingest", "production")
    refused(api_key(id=key.id, name="junk", state="absent"), key.id, "precious", "junk")
    assert sim.key(key.id)
    assert not writes(sim)


@pytest.mark.parametrize("state", ["present", "disabled"])
@pytest.mark.parametrize("check", [True, False])
def test_unknown_id_is_an_error(sim: Simulator, api_key: Any, state: Any, check: Any) -> None:
    unknown = "hcxik_" + "0" * 26
    refused(api_key(id=unknown, name="x", state=state, check=check, **INGEST), unknown, "no key")
    assert not writes(sim)


def test_unknown_id_is_absent_only_in_the_right_team(sim: Simulator, api_key: Any) -> None:
    """A team that is not ours hides every key: that must not pass for a key that is gone."""
    key = sim.add_key("leaked", "ingest", "production")
    for team in ("another-team", "..", "team/with/slashes?x=1#y", "\u00fcber"):
        message = refused(api_key(id=key.id, state="absent", team=team), "team", team, sim.team)
        assert "management key" in message
    assert not api_key(id="hcxik_" + "0" * 26, state="absent", team=sim.team)["changed"]
    assert sim.key(key.id)


@pytest.mark.parametrize("key_id", ["", "..", "../environments", "a b", "x?y", "caf\u00e9"])
def test_what_is_no_id_is_refused(sim: Simulator, api_key: Any, key_id: Any) -> None:
    refused(api_key(id=key_id, state="absent"), "id", repr(key_id))
    assert not sim.requests


# Scopes, team and environment variables


def test_without_environments_read_an_id_works(sim: Simulator, api_key: Any) -> None:
    env = {**sim.environment_variables(sim.add_management_key(["api-keys:read", "api-keys:write"]))}
    place = sim.environments[0]["id"]
    wanted = {"name": "blind", "key_type": "ingest", "environment": place}
    assert api_key(check=True, env=env, **wanted)["changed"]
    created = api_key(env=env, **wanted)
    assert created["key"] == sim.keys("blind")[0].value
    assert created["api_key"]["environment"] == {"id": place, "name": None, "slug": None}
    assert not api_key(env=env, **wanted)["changed"]
    assert api_key(env=env, id=created["api_key"]["id"], state="disabled")["changed"]
    message = refused(api_key(env=env, name="blind", **INGEST), "environments:read", "'production'", "id")
    assert env["HONEYCOMB_KEY_ID"] in message
    assert api_key(env=env, state="absent", **wanted)["changed"]


@pytest.mark.parametrize("missing", ["api-keys:read", "api-keys:write"])
def test_missing_scope_is_named(sim: Simulator, api_key: Any, missing: Any) -> None:
    scopes = {"api-keys:read", "api-keys:write", "environments:read"} - {missing}
    management = sim.add_management_key(scopes)
    result = api_key(name="x", env=sim.environment_variables(management), **INGEST)
    refused(result, missing, management[0])
    assert result["error"]["status"] == 403
    assert not sim.keys()


def test_team_is_found_or_given(sim: Simulator, api_key: Any) -> None:
    sim.add_key("a", "ingest", "production")
    assert not api_key(name="a", **INGEST)["changed"]
    assert [request.operation for request in sim.requests].count("getV2Auth") == 1
    sim.forget_requests()
    assert not api_key(name="a", team=sim.team, **INGEST)["changed"]
    assert not api_key(name="a", env={**sim.environment_variables(), "HONEYCOMB_TEAM": sim.team}, **INGEST)["changed"]
    assert "getV2Auth" not in [request.operation for request in sim.requests]


def test_environment_variables(sim: Simulator, api_key: Any) -> None:
    key_id, secret = sim.management
    first = {"HONEYCOMB_KEY_ID": key_id, "HONEYCOMB_KEY_SECRET": secret, "HONEYCOMB_API_ENDPOINT": sim.url}
    second = {
        "HONEYCOMB_MANAGEMENT_KEY": key_id,
        "HONEYCOMB_MANAGEMENT_SECRET": secret,
        "HONEYCOMB_API_ENDPOINT": sim.url,
    }
    empty = dict.fromkeys(
        ["HONEYCOMB_KEY_ID", "HONEYCOMB_KEY_SECRET", "HONEYCOMB_TEAM", "HONEYCOMB_TIMEOUT", "HONEYCOMB_MAX_WAIT"], ""
    )
    for env in (
        first,
        second,
        # Schedulers set variables without a value; they are as good as not set.
        {**second, **empty},
        # The first names win.
        {**second, **first, "HONEYCOMB_MANAGEMENT_SECRET": "wrong"},
    ):
        result = api_key(name="a", check=True, env=env, **INGEST)
        assert result.get("changed"), result
    assert api_key(
        name="a",
        check=True,
        management_key_id=key_id,
        management_key_secret=secret,
        api_url=sim.url + "/",
        env={"HONEYCOMB_KEY_ID": "x", "HONEYCOMB_KEY_SECRET": "y"},
        **INGEST,
    )["changed"]
    refused(api_key(name="a", env={**first, "HONEYCOMB_TIMEOUT": "soon"}, **INGEST), "timeout")
    refused(api_key(name="a", env={**first, "HONEYCOMB_MAX_WAIT": "-1"}, **INGEST), "max_wait")


# Check mode tells the truth

permission_names = st.sampled_from(sorted(PERMISSIONS["configuration"]))
permissions_option = st.none() | st.dictionaries(permission_names, st.booleans(), max_size=4)
start = st.tuples(
    st.sampled_from(["ingest", "configuration"]),
    st.booleans(),
    st.sets(permission_names, max_size=4),
    st.sampled_from(["production", "staging"]),
    st.booleans(),
)
wanted_options = st.fixed_dictionaries(
    {
        "state": st.sampled_from(["present", "present", "disabled", "absent"]),
        "key_type": st.sampled_from(["ingest", "configuration"]),
        "environment": st.sampled_from(["production", "Staging"]),
        "purge_permissions": st.booleans(),
        "permissions": permissions_option,
    },
    optional={
        "time_to_live": st.sampled_from(["2099-01-01T00:00:00Z", "2098-01-01T00:00:00Z", "2001-01-01T00:00:00Z"])
    },
)
volatile = ("id", "created_at", "updated_at")


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    keys=st.lists(start, max_size=2),
    wanted=wanted_options,
    by_id=st.sampled_from([None, 0, 1, "unknown"]),
    rename=st.booleans(),
    scope_args=st.booleans(),
)
def test_prediction_equals_result(
    sim: Simulator,
    api_key: Any,
    leaks: Callable[..., list[str]],
    keys: Any,
    wanted: Any,
    by_id: Any,
    rename: Any,
    scope_args: Any,
) -> None:
    name = f"k{len(sim.requests)}"
    records = [
        sim.add_key(
            name,
            key_type,
            place,
            disabled,
            {p: True for p in granted if p in PERMISSIONS[key_type]},
            time_to_live=sim.now().replace(year=2099, month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
            if expires and key_type == "ingest"
            else None,
        )
        for key_type, disabled, granted, place, expires in keys
    ]
    wanted = {option: value for option, value in wanted.items() if value is not None}
    wanted["name"] = f"{name} renamed" if rename else name
    if by_id is not None:
        wanted["id"] = records[by_id].id if by_id != "unknown" and by_id < len(records) else "hcxik_" + "0" * 26
        if not scope_args:
            del wanted["key_type"], wanted["environment"]

    before = sim.keys()
    sim.forget_requests()
    predicted = api_key(check=True, **wanted)
    assert not writes(sim)
    assert sim.keys() == before
    assert "key" not in predicted and "secret" not in predicted

    real = api_key(**wanted)
    assert predicted.get("failed", False) == real.get("failed", False)
    if real.get("failed"):
        assert predicted["msg"] == real["msg"]
        assert not writes(sim)
        assert not leaks(sim, real.output)
        return
    assert predicted["changed"] == real["changed"]
    assert len(writes(sim)) == int(real["changed"])
    assert predicted["diff"] == real["diff"]
    assert (real["diff"]["before"] != real["diff"]["after"]) == real["changed"]
    assert set(predicted["api_key"]) == set(real["api_key"])
    for attribute, value in real["api_key"].items():
        if attribute not in volatile or not real["changed"]:
            assert predicted["api_key"][attribute] == value
    assert ("key" in real) == (writes(sim)[:1] != [] and writes(sim)[0].method == "POST")
    assert not leaks(sim, real.output, [real.get("key", ""), real.get("secret", "")])
    if real["api_key"]:
        record = sim.key(real["api_key"]["id"])
        assert (record.name, record.disabled) == (real["api_key"]["name"], wanted["state"] == "disabled")
        assert record.permissions == real["api_key"]["permissions"]

    sim.forget_requests()
    again = api_key(**wanted)
    assert not again["changed"], (real, again)
    assert again["diff"]["before"] == again["diff"]["after"]
    assert not writes(sim)
