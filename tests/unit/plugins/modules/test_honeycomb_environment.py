# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules honeycomb_environment and honeycomb_environment_info against the simulator, as a user would use them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from simulator import Simulator

MODULE = "honeycomb_environment"
INFO = "honeycomb_environment_info"
ALL = {"unprotect": True, "delete_keys": True}

LOSSES: dict[str, Any] = {
    "reset": {"effect": "reset"},
    "closed": {"effect": "close"},
    "cut off": {"effect": "truncate"},
    "unreadable": {"effect": "garbage"},
    "web page": {"effect": "html"},
    "500": {"effect": "status", "status": 500, "shape": "problem"},
    "504 empty": {"effect": "status", "status": 504, "shape": "empty"},
}
WAYS = {
    f"{name}, {when}": {**loss, "after": when == "done"}
    for name, loss in LOSSES.items()
    for when in ("not done", "done")
}
# Carried out when the client has given up already; with quick waits, 0.05 s are one second and 0.2 s are four.
WAYS["done a little later"] = {"effect": "late", "delay": 0.05}
WAYS["done later"] = {"effect": "late", "delay": 0.2}
each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
# The answer to a deletion has no body that could be damaged.
each_deletion = pytest.mark.parametrize(
    "way", [way for name, way in WAYS.items() if name not in ("cut off, not done", "unreadable, not done")]
)


@pytest.fixture
def environment(call_module: Callable[..., Any], quick_waits: int) -> Any:
    def call(*, check: Any = False, env: Any = None, **args: Any) -> Any:
        return call_module(MODULE, args, check=check, env=env)

    return call


def place(sim: Any, slug: Any) -> Any:
    return next((entry for entry in sim.environments if entry["slug"] == slug), None)


def writes(sim: Any) -> list[Any]:
    return [request.operation for request in sim.requests if request.method != "GET"]


def refused(result: Any, *words: Any) -> Any:
    """A clear failure that says all of the words."""
    assert result.get("failed"), result
    for word in words:
        assert word in result["msg"]
    return result["msg"]


# Present


def test_created_as_predicted(sim: Simulator, environment: Any) -> None:
    wish = {"name": "Load Tests", "description": "Emptied every quarter", "color": "lightGold"}
    predicted = environment(check=True, **wish)
    assert not writes(sim)
    result = environment(**wish)
    there = place(sim, "load-tests")
    assert result["environment"] == there == {**wish, "id": there["id"], "slug": "load-tests", "delete_protected": True}
    assert result["diff"] == {"before": {}, "after": {**wish, "delete_protected": True}} == predicted["diff"]
    assert predicted["environment"] == {**there, "id": None, "slug": None}
    assert (predicted["changed"], result["changed"]) == (True, True)
    assert writes(sim) == ["createEnvironment"]

    again = environment(**wish)
    assert (again["changed"], again["environment"]) == (False, there)
    assert again["diff"]["before"] == again["diff"]["after"]


@pytest.mark.parametrize("protected", [True, False, None])
def test_protection_of_a_new_environment(sim: Simulator, environment: Any, protected: Any) -> None:
    wish = {"name": "Load", "delete_protected": protected}
    predicted = environment(check=True, **wish)["environment"]["delete_protected"]
    result = environment(**wish)
    assert result["environment"]["delete_protected"] is place(sim, "load")["delete_protected"] is predicted
    assert predicted is (protected is not False)
    assert writes(sim) == ["createEnvironment", "updateEnvironment"][: 1 if predicted else 2]
    assert not environment(**wish)["changed"]


@pytest.mark.parametrize("by", ["id", "name", "slug"])
def test_changed_as_predicted(sim: Simulator, environment: Any, by: Any) -> None:
    there = sim.environments[0]
    wish = {"id" if by == "id" else "name": there[by], "description": "What customers see", "delete_protected": False}
    predicted = environment(check=True, **wish)
    assert not writes(sim)
    result = environment(**wish)
    assert result == predicted
    assert result["changed"]
    assert (
        result["environment"]
        == sim.environments[0]
        == {
            **there,
            "description": "What customers see",
            "delete_protected": False,
        }
    )
    assert result["diff"]["before"]["description"] == ""
    assert writes(sim) == ["updateEnvironment"]
    assert not environment(**wish)["changed"]


def test_a_description_can_be_taken_away(sim: Simulator, environment: Any) -> None:
    sim.add_environment("Old", description="Gone soon")
    assert not environment(name="old")["changed"]
    assert environment(name="old", description="")["environment"]["description"] == ""
    assert place(sim, "old")["description"] == ""


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"name": "x" * 256}, ["256 characters"]),
        ({"name": ""}, ["name"]),
        ({"name": "x", "description": "y" * 256}, ["description", "256 characters"]),
        ({"name": "x", "color": "classic"}, ["color", "blue"]),
        ({"id": "no id"}, ["id"]),
        ({"id": "hcxen_0"}, ["no environment hcxen_0"]),
        ({}, ["id", "name"]),
    ],
)
def test_bad_input(sim: Simulator, environment: Any, wish: Any, words: Any, check: Any) -> None:
    refused(environment(check=check, **wish), *words)
    assert not writes(sim)


def test_no_renaming(sim: Simulator, environment: Any) -> None:
    there = sim.environments[0]
    refused(environment(id=there["id"], name="Live"), there["id"], "'Production'", "can't be changed")
    refused(environment(id=there["id"], name="Live", state="absent", **ALL), there["id"])
    assert sim.environments[0] == there
    assert not writes(sim)


def test_missing_scopes(sim: Simulator, environment: Any) -> None:
    reader = sim.environment_variables(sim.add_management_key(["environments:read"]))
    blind = sim.environment_variables(sim.add_management_key(["environments:write", "api-keys:read"]))
    refused(environment(name="New", env=reader), "environments:write")
    refused(environment(name="New", env=blind), "environments:read")
    refused(environment(name="production", state="absent", env=reader, **ALL), "api-keys:read")
    assert len(sim.environments) == 2


def test_a_name_whose_slug_is_taken(sim: Simulator, environment: Any) -> None:
    message = refused(environment(name="Production!"), "409", "slug")
    assert "Traceback" not in message
    assert len(sim.environments) == 2


@each_way
def test_created_once_whatever_is_lost(sim: Simulator, environment: Any, way: Any) -> None:
    sim.fail("createEnvironment", **way)
    result = environment(name="Load", description="Tests")
    time.sleep(way["delay"] + 0.05 if way["effect"] == "late" else 0)
    (there,) = [entry for entry in sim.environments if entry["name"] == "Load"]
    assert result["changed"]
    assert result["environment"] == there
    assert there["description"] == "Tests"


def test_every_answer_lost(sim: Simulator, environment: Any) -> None:
    sim.fail("createEnvironment", effect="reset", times=None)
    refused(environment(name="Load"), "'Load'", "3 times", "Rerun the task")
    sim.clear_faults()
    sim.fail("createEnvironment", effect="reset", after=True)
    sim.fail("listEnvironments", nth=2, times=None, effect="status", status=403)
    refused(environment(name="Load"), "lost", "may have made one environment")
    sim.clear_faults()
    assert not environment(name="Load")["changed"]


def test_somebody_else_was_quicker(sim: Simulator, environment: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is taken between the look and the request: what is there is brought to what was asked for."""
    from ansible_collections.community.honeycomb.plugins.module_utils._environments import plan as _environment_plan

    monkeypatch.setattr(
        "ansible_collections.community.honeycomb.plugins.module_utils._module.environment.plan_environment",
        lambda *args: (sim.add_environment("Load", color="red"), _environment_plan.plan_environment(*args))[1],
    )
    result = environment(name="Load", color="green")
    assert result["changed"]
    assert result["environment"] == place(sim, "load")
    assert (place(sim, "load")["color"], writes(sim)) == ("green", ["createEnvironment", "updateEnvironment"])


def test_created_but_not_finished(sim: Simulator, environment: Any) -> None:
    sim.fail("updateEnvironment", status=403)
    result = environment(name="Load", delete_protected=False)
    refused(result, "was created", "delete_protected", place(sim, "load")["id"], "Rerun the task")
    assert (result["changed"], result["environment"]) == (True, place(sim, "load"))
    again = environment(name="Load", delete_protected=False)
    assert again["changed"] and not again["environment"]["delete_protected"]


@each_way
def test_changed_whatever_is_lost(sim: Simulator, environment: Any, way: Any) -> None:
    sim.fail("updateEnvironment", **way)
    result = environment(name="staging", description="Tests", color="red")
    assert result["changed"]
    assert (
        result["environment"]
        == place(sim, "staging")
        == {
            **sim.environments[1],
            "description": "Tests",
            "color": "red",
        }
    )


def test_every_answer_to_a_change_lost_but_it_is_done(sim: Simulator, quick_waits: int, environment: Any) -> None:
    sim.fail("updateEnvironment", effect="reset", times=None, after=True)
    assert environment(name="staging", color="red")["environment"]["color"] == "red"


# Absent


@pytest.fixture
def full(sim: Simulator) -> Any:
    """An environment with two keys, and one key elsewhere."""
    sim.add_environment("Full")
    keys = [
        sim.add_key(name="checkout", environment="full", permissions={"create_datasets": True}),
        sim.add_key(name="ci", key_type="configuration", environment="full", disabled=True),
    ]
    sim.add_key(name="checkout", environment="production")
    return keys


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("given", [{}, {"unprotect": True}, {"delete_keys": True}])
def test_deleting_is_hard_on_purpose(
    sim: Simulator, environment: Any, full: Any, leaks: Callable[..., list[str]], given: Any, check: Any
) -> None:
    result = environment(name="full", state="absent", check=check, **given)
    message = refused(result, "full (hcxen_", "Nothing was changed")
    assert ("unprotect=true" in message) == ("unprotect" not in given)
    assert ("delete_keys=true" in message) == ("delete_keys" not in given)
    assert {entry["id"] for entry in result["api_keys"]} == {key.id for key in full}
    assert not result.get("changed")
    assert not leaks(sim, result.output)
    assert not writes(sim) and len(sim.keys()) == 3


def test_deleted_as_predicted(sim: Simulator, environment: Any, full: Any, leaks: Callable[..., list[str]]) -> None:
    there = place(sim, "full")
    predicted = environment(name="full", state="absent", check=True, **ALL)
    assert len(sim.keys()) == 3 and place(sim, "full") == there
    result = environment(name="full", state="absent", **ALL)
    assert result == predicted
    assert (result["changed"], result["environment"], result["diff"]["after"]) == (True, {}, {})
    assert sorted(entry["name"] for entry in result["api_keys"]) == ["checkout", "ci"]
    assert {entry["environment"]["slug"] for entry in result["api_keys"]} == {"full"}
    assert sorted(result["diff"]["before"]["api_keys"]) == sorted(f"{key.name} ({key.id})" for key in full)
    assert not leaks(sim, result.output)
    assert place(sim, "full") is None and [key.environment for key in sim.keys()] == ["production"]
    assert writes(sim) == ["updateEnvironment", "deleteEnvironment"]

    again = environment(name="full", state="absent")
    assert (again["changed"], again["environment"], again["api_keys"]) == (False, {}, [])


def test_an_empty_unprotected_one_needs_no_more_words(sim: Simulator, environment: Any) -> None:
    there = sim.add_environment("Empty", delete_protected=False)
    assert environment(id=there["id"], state="absent")["changed"]
    assert writes(sim) == ["deleteEnvironment"]
    assert not environment(id=there["id"], state="absent")["changed"]


def test_unprotected_but_not_deleted(sim: Simulator, environment: Any, full: Any) -> None:
    sim.fail("deleteEnvironment", status=403)
    result = environment(name="full", state="absent", **ALL)
    refused(result, "no longer protected", place(sim, "full")["id"], "delete_protected=true")
    assert (result["changed"], result["environment"]) == (True, place(sim, "full"))
    assert result["diff"]["after"]["delete_protected"] is False
    assert len(result["diff"]["after"]["api_keys"]) == 2
    assert len(sim.keys()) == 3


def test_not_even_unprotected(sim: Simulator, environment: Any, full: Any) -> None:
    sim.fail("updateEnvironment", status=403)
    result = environment(name="full", state="absent", **ALL)
    assert "no longer protected" not in refused(result, "environments:write")
    assert not result["changed"] and place(sim, "full")["delete_protected"]


def test_nobody_knows_whether_it_was_deleted(sim: Simulator, environment: Any, full: Any) -> None:
    sim.fail("deleteEnvironment", effect="down")
    result = environment(name="full", state="absent", timeout=1, max_wait=3, **ALL)
    refused(result, "full (hcxen_", "may be deleted", "unprotected")


def test_a_conflict_is_no_success(sim: Simulator, environment: Any) -> None:
    sim.add_environment("Empty", delete_protected=False)
    sim.fail("deleteEnvironment", status=409)
    result = environment(name="empty", state="absent")
    refused(result, "409")
    assert not result["changed"] and place(sim, "empty")


@each_deletion
def test_deleted_whatever_is_lost(sim: Simulator, environment: Any, full: Any, way: Any) -> None:
    sim.fail("deleteEnvironment", **way)
    result = environment(name="full", state="absent", **ALL)
    assert not result.get("failed") and result["changed"]
    assert place(sim, "full") is None


def test_every_answer_to_a_deletion_lost_but_it_is_done(
    sim: Simulator, quick_waits: int, environment: Any, full: Any
) -> None:
    sim.fail("deleteEnvironment", effect="reset", times=None, after=True)
    result = environment(name="full", state="absent", **ALL)
    assert (result["changed"], result["environment"]) == (True, {})


@pytest.mark.parametrize("protected", [True, False])
def test_deleted_by_somebody_else_at_the_last_moment(
    sim: Simulator, environment: Any, monkeypatch: pytest.MonkeyPatch, protected: Any
) -> None:
    """Then what this task changed is the protection."""
    client = "ansible_collections.community.honeycomb.plugins.module_utils._api.client.Client"
    monkeypatch.setattr(f"{client}.delete_environment", lambda *args: False)
    sim.add_environment("Empty", delete_protected=protected)
    assert environment(name="empty", state="absent", unprotect=True)["changed"] is protected


@each_deletion
def test_an_unprotected_one_deleted_whatever_is_lost(sim: Simulator, environment: Any, way: Any) -> None:
    """Here only the deletion itself can tell that something changed."""
    sim.add_environment("Empty", delete_protected=False)
    sim.fail("deleteEnvironment", **way)
    assert environment(name="empty", state="absent")["changed"]


@each_way
def test_unprotected_whatever_is_lost(sim: Simulator, environment: Any, full: Any, way: Any) -> None:
    sim.fail("updateEnvironment", **way)
    assert environment(name="full", state="absent", **ALL)["changed"]
    assert place(sim, "full") is None


# Info


@pytest.fixture
def info(call_module: Callable[..., Any]) -> Any:
    def call(**args: Any) -> Any:
        return call_module(INFO, args)

    return call


def test_all_environments_over_all_pages(sim: Simulator, info: Any) -> None:
    for number in range(120):
        sim.add_environment(f"Team {number:03}", color="red", description=f"Of team {number}", delete_protected=False)
    result = info()
    assert not result["changed"]
    assert result["environments"] == sorted(sim.environments, key=lambda entry: entry["name"])
    assert not writes(sim)


@pytest.mark.parametrize("by", ["id", "slug", "name"])
def test_one_environment(sim: Simulator, info: Any, by: Any) -> None:
    assert info(environment=sim.environments[1][by])["environments"] == [sim.environments[1]]


def test_no_match_is_no_failure(sim: Simulator, info: Any) -> None:
    assert info(environment="nowhere")["environments"] == []
    refused(info(environment=""), "environment")


def test_info_without_the_scope(sim: Simulator, call_module: Callable[..., Any]) -> None:
    env = sim.environment_variables(sim.add_management_key(["api-keys:read"]))
    refused(call_module(INFO, env=env), "environments:read")
