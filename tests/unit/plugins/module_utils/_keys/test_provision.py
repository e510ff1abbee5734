# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The decisions of the role environment_provision, without a role."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.community.honeycomb.plugins.module_utils._keys.provision import (
    plan_services,
    read_request,
    tell_failures,
    tell_reason,
)

NAMES = ["a", "b", "c"]


def key(name: str, key_type: str = "ingest", disabled: bool = False) -> dict[str, Any]:
    return {"id": f"id of {name}, {key_type}, {disabled}", "name": name, "key_type": key_type, "disabled": disabled}


def services(*names: str, **more: Any) -> list[dict[str, Any]]:
    request = read_request([{"name": name, **more} for name in names], None, "store.yml", "/play", lambda path: True)
    assert not request.problems
    return request.services


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([{"name": "a"}, {"name": "a"}], "a is listed twice"),
        ([{"name": " "}], "1 to 69"),
        ([{"name": "a "}], "without blanks"),
        ([{"name": "x" * 70}], "1 to 69"),
        ([{"name": "a", "store": {"path": "/a"}, "store_tasks": "store.yml"}], "both a store and store_tasks"),
        ([{"name": "a [pending]"}], "without a mark"),
        ([{"name": "a", "store_tasks": "nowhere.yml"}], "no tasks file nowhere.yml (relative paths start at /play)"),
    ],
)
def test_what_can_not_be_carried_out(entries: list[dict[str, Any]], words: str) -> None:
    request = read_request(entries, None, "store.yml", "/play", lambda path: path == "/play/store.yml")
    assert len(request.problems) == 1
    assert words in request.problems[0]


@pytest.mark.parametrize("blank", [None, ""])
def test_no_tasks_at_all(blank: str | None) -> None:
    request = read_request([{"name": "a", "store_tasks": blank}], None, blank, "/play", lambda path: True)
    assert ["a has neither a store nor store_tasks" in problem for problem in request.problems] == [True]


def test_a_store_or_tasks_for_all_but_not_both() -> None:
    store = {"type": "file", "path": "/keys/{name}"}
    entries: list[dict[str, Any]] = [
        {"name": "a"},
        {"name": "b", "store_tasks": "own.yml"},
        {"name": "c", "store": {"path": "/c"}},
    ]
    request = read_request(entries, store, None, "/play", lambda path: True)
    assert not request.problems
    assert [(service["tasks"], service["store"]) for service in request.services] == [
        ("", None),
        ("/play/own.yml", None),
        ("", {"path": "/c"}),
    ]
    states = {item["name"]: (item["state"], item.get("store")) for item in plan_services(request.services, []).wanted}
    assert states == {"a": ("present", None), "b": ("pending", None), "c": ("present", {"path": "/c"})}
    both = read_request([{"name": "a"}], store, "store.yml", "/play", lambda path: True)
    assert ["are both set" in problem for problem in both.problems] == [True]


def test_a_complete_service() -> None:
    (service,) = services("a", key_type=None)
    assert service == {
        "name": "a",
        "pending_name": "a [pending]",
        "key_type": "ingest",
        "permissions": None,
        "store": None,
        "tasks": "/play/store.yml",
    }
    (other,) = services(
        "a", store_tasks="/elsewhere/own.yml", key_type="configuration", permissions={"send_events": True}
    )
    assert (other["tasks"], other["key_type"]) == ("/elsewhere/own.yml", "configuration")
    assert other["permissions"] == {"send_events": True}


listings = st.lists(
    st.builds(
        key,
        st.sampled_from([*NAMES, *(f"{name} [pending]" for name in NAMES), "other"]),
        st.sampled_from(["ingest", "configuration"]),
        st.booleans(),
    ),
    max_size=8,
)


@given(listings, st.booleans())
def test_each_service_has_a_key_afterwards(listing: list[dict[str, Any]], tasks: bool) -> None:
    wanted = (
        services(*NAMES) if tasks else services(*NAMES, store={"type": "file", "path": "/{name}"}, store_tasks=None)
    )
    plan = plan_services([{**service, "tasks": service["tasks"] if tasks else ""} for service in wanted], listing)
    here = [entry for entry in listing if entry["key_type"] == "ingest"]
    states = {item["name"]: item["state"] for item in plan.wanted}
    assert len(states) == len(plan.wanted)
    for name in NAMES:
        own = [entry for entry in here if entry["name"] == name]
        # Of two keys of one name, nobody can say which is meant: a person has to.
        assert (name in states) == (len(own) <= 1)
        told = [line for line in plan.failures if line.startswith(f"{name}: ")]
        assert told == [line for line in told if line.startswith(f"{name}: {len(own)} ingest keys")]
        assert bool(told) == (len(own) > 1)
        # One that is there stays as it is.
        if len(own) == 1 and own[0]["disabled"]:
            assert states[name] == "disabled"
        elif name in states:
            assert states[name] == ("pending" if tasks else "present")
        assert len([line for line in plan.kept if line.startswith(f"{name}: ")]) == (tasks and len(own) == 1)


def test_what_went_wrong_is_told_once_per_item() -> None:
    results: list[dict[str, Any]] = [
        {"msg": "2 of 3 failed", "failed_items": [{"name": "a [pending]", "id": None, "msg": "No."}]},
        {"skipped": True, "msg": "not shown"},
        {"changed": True},
        {"msg": "No answer.", "failed_items": []},
    ]
    assert tell_failures(results, ["b: sealed."]) == ["b: sealed.", "a: No.", "No answer."]


INGEST = "hcxik_" + "a1b2" * 14 + "zz"
CONFIGURATION = "0123456789abcdefghijkl"


@pytest.mark.parametrize("value", [INGEST, CONFIGURATION])
@pytest.mark.parametrize("offset", range(3))
def test_a_message_that_holds_the_value_is_not_shown(value: str, offset: int) -> None:
    encoded = base64.b64encode(b"x" * offset + value.encode() + b"yy").decode()
    for text in (f"no: {value}!", f"no: {encoded}", f"no: {value[-32:]}"):
        reason = tell_reason(text, value)
        assert "not shown" in reason and value[-20:] not in reason


@pytest.mark.parametrize(
    ("message", "told"),
    [("Sealed.", "Sealed."), ("Why?", "Why?"), ("", "it gave no message."), (None, "it gave no message.")],
)
def test_a_message_without_the_value_is_shown(message: str | None, told: str) -> None:
    assert tell_reason(message, INGEST) == told


def test_a_store_that_there_is_not_is_told_before_there_is_an_environment() -> None:
    store = {"type": "file", "paht": "/keys/{name}"}
    request = read_request([{"name": "a"}], store, None, "/play", lambda path: True)
    assert ["environment_provision_store.paht: a store of type file has no" in one for one in request.problems] == [
        True
    ]
    own = [{"name": "a", "store": {"mount": "x"}}, {"name": "b", "store": {"type": "drawer"}}]
    request = read_request(own, {"type": "file", "path": "/keys/{name}"}, None, "/play", lambda path: True)
    assert [one.partition(":")[0] for one in request.problems] == ["a", "b"]
