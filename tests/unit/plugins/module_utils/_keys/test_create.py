# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every way of losing an answer, at every kind of write.

When a write is over, there is exactly one enabled key of its name and its value was returned, or there is none and the
failure says what may be left. Keys that were there before, and keys of others, are as they were.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests
import urllib3

from ansible_collections.community.honeycomb.plugins.module_utils._api.client import Client, check_value
from ansible_collections.community.honeycomb.plugins.module_utils._api.resources import ApiKey
from ansible_collections.community.honeycomb.plugins.module_utils._errors import HoneycombError
from ansible_collections.community.honeycomb.plugins.module_utils._http.transport import Transport, _never_connected
from ansible_collections.community.honeycomb.plugins.module_utils._keys import create as _create
from ansible_collections.community.honeycomb.plugins.module_utils._keys.apply import apply_plans
from ansible_collections.community.honeycomb.plugins.module_utils._keys.plan import Plan
from simulator import Simulator

NAME = "checkout"

# Effects that can be met before the request is carried out as well as after.
LOSSES: dict[str, Any] = {
    "reset": {"effect": "reset"},
    "closed": {"effect": "close"},
    "no answer": {"effect": "hang", "delay": 0.8},
    "cut off": {"effect": "truncate"},
    "unreadable": {"effect": "garbage"},
    "web page": {"effect": "html"},
    "redirect": {"effect": "redirect"},
    "500 of the service": {"effect": "status", "status": 500, "shape": "jsonapi"},
    "502 web page": {"effect": "status", "status": 502, "shape": "html"},
    "503 problem": {"effect": "status", "status": 503, "shape": "problem"},
    "504 empty": {"effect": "status", "status": 504, "shape": "empty"},
    "403 web page": {"effect": "status", "status": 403, "shape": "html"},
    "408": {"effect": "status", "status": 408, "shape": "legacy"},
}
WAYS = {
    f"{name}, {when}": {**loss, "after": when == "done"}
    for name, loss in LOSSES.items()
    for when in ("not done", "done")
}
# Carried out after the client has given up; with quick waits, 0.05 s are one second and 0.2 s are four.
WAYS["done a little later"] = {"effect": "late", "delay": 0.05}
WAYS["done later"] = {"effect": "late", "delay": 0.2}
each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
# The answer to a deletion has no body that could be damaged: 204 is its whole message.
DELETIONS = {name: way for name, way in WAYS.items() if name not in ("cut off, not done", "unreadable, not done")}
each_deletion = pytest.mark.parametrize("way", DELETIONS.values(), ids=DELETIONS)


@pytest.fixture
def client(sim: Simulator, quick_waits: int) -> Iterator[Any]:
    transport = Transport(sim.url, timeout=0.5, max_wait=60, connections=8)
    yield Client(transport, *sim.management)
    transport.close()


@pytest.fixture
def bystanders(sim: Simulator) -> Iterator[Any]:
    """Keys that are easily mistaken for the one that is made; they must stay as they are."""
    sim.add_environment("Elsewhere")
    keys = [
        sim.add_key(name=NAME, key_type="ingest", environment="staging"),
        sim.add_key(name=NAME, key_type="configuration", environment="production"),
        sim.add_key(name=f"{NAME}2", key_type="ingest", environment="production"),
        sim.add_key(name=NAME, key_type="ingest", environment="elsewhere", disabled=True),
    ]
    yield keys
    assert [sim.key(key.id) for key in keys] == keys


def wanted(sim: Any, name: Any = NAME, key_type: Any = "ingest", **attributes: Any) -> Any:
    environment = next(entry for entry in sim.environments if entry["slug"] == "production")
    return ApiKey(None, name, key_type, environment["id"], **{"disabled": False, "permissions": {}, **attributes})


def create(client: Any, sim: Any, key: Any, others: Any = ()) -> Any:
    """Create a key as a task does: with one look at what is there."""
    before = {str(found.id) for found in client.list_keys(key.key_type)}
    for other in others:
        other()
    return _create.create_once(client, key, before)


def wait_for_late(way: Any) -> None:
    if way["effect"] == "late":
        time.sleep(way["delay"] + 0.05)


def enabled(sim: Any, name: Any = NAME, key_type: Any = "ingest") -> list[Any]:
    return [key for key in sim.keys(name, "production") if key.key_type == key_type and not key.disabled]


def writes(sim: Any) -> list[Any]:
    return [request for request in sim.requests if request.method != "GET"]


# Creating


@each_way
def test_one_key_whose_value_was_returned(sim: Simulator, client: Any, bystanders: Any, way: Any) -> None:
    sim.fail("createApiKey", **way)
    created = create(client, sim, wanted(sim, permissions={"create_datasets": True}))
    wait_for_late(way)
    assert [key.id for key in enabled(sim)] == [created.key.id]
    assert check_value(client.transport, created.value).id == created.key.id
    assert len([request for request in writes(sim) if request.method == "POST"]) >= 2


@each_way
def test_no_key_when_every_answer_is_lost(sim: Simulator, client: Any, bystanders: Any, way: Any) -> None:
    sim.fail("createApiKey", times=None, **way)
    with pytest.raises(HoneycombError) as caught:
        create(client, sim, wanted(sim))
    wait_for_late(way)
    assert enabled(sim) == []
    assert caught.value.created == []
    assert NAME in caught.value.message and "failed 3 times" in caught.value.message


@pytest.mark.parametrize("key_type", ["ingest", "configuration"])
@pytest.mark.parametrize("disabled", [False, True])
def test_both_types_and_both_states(sim: Simulator, client: Any, key_type: Any, disabled: Any) -> None:
    sim.fail("createApiKey", effect="reset", after=True)
    created = create(client, sim, wanted(sim, key_type=key_type, disabled=disabled))
    (key,) = sim.keys(NAME)
    assert (key.id, key.value, key.disabled) == (created.key.id, created.value, disabled)


def test_a_key_that_can_be_discarded_otherwise(sim: Simulator, client: Any) -> None:
    sim.fail("createApiKey", effect="close", after=True)
    discarded: list[Any] = []
    created = _create.create_once(client, wanted(sim, disabled=True), set(), discarded.append)
    assert [key.id for key in sim.keys(NAME)] == [discarded[0].id, created.key.id]


def test_every_permission_that_the_service_may_know(
    sim: Simulator, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A permission that this collection does not know is listed, but was not asked for."""
    sim.fail("createApiKey", effect="reset", after=True)
    listed = client.list_keys

    def with_more(key_type: Any) -> Any:
        keys = listed(key_type)
        for key in keys:
            key.permissions["invented_later"] = False
        return keys

    monkeypatch.setattr(client, "list_keys", with_more)
    created = create(client, sim, wanted(sim))
    assert [key.id for key in sim.keys(NAME)] == [created.key.id]


def test_refusal_is_no_loss(sim: Simulator, client: Any) -> None:
    sim.fail("createApiKey", status=422, shape="jsonapi")
    with pytest.raises(HoneycombError) as caught:
        create(client, sim, wanted(sim))
    assert caught.value.status == 422
    assert len(writes(sim)) == 1


def test_nobody_there_is_no_loss(sim: Simulator, client: Any) -> None:
    before = {key.id for key in client.list_keys()}
    client.transport.api_url = "http://127.0.0.1:9"
    with pytest.raises(HoneycombError, match="nothing answers"):
        _create.create_once(client, wanted(sim), before)


def test_proxies_do_not_hide_a_loss() -> None:
    """Where a connection through a proxy breaks after it stood, the request may have been carried out."""
    errors = requests.exceptions, urllib3.exceptions
    broken = errors[1].ProxyError("Cannot connect to proxy.", ConnectionResetError(104, "reset"))
    no_proxy = errors[1].ProxyError("Cannot connect to proxy.", errors[1].NewConnectionError(None, "refused"))
    tunnel = errors[1].ProxyError("Cannot connect to proxy.", OSError("Tunnel connection failed: 407"))
    found = [
        _never_connected(errors[0].ProxyError(errors[1].MaxRetryError(None, "/", reason)))
        for reason in (broken, no_proxy, tunnel)
    ]
    assert found == [False, True, True]


# Others


@pytest.mark.parametrize("effect", ["reset", "garbage"])
def test_what_may_be_another_actors_is_not_touched(sim: Simulator, client: Any, bystanders: Any, effect: Any) -> None:
    sim.fail("createApiKey", effect=effect, after=True)
    with pytest.raises(HoneycombError) as caught:
        create(client, sim, wanted(sim), [lambda: sim.add_key(name=NAME, environment="production")])
    keys = enabled(sim)
    assert len(keys) == 2
    assert all(key.id in caught.value.message for key in keys)
    assert [request.method for request in writes(sim)] == ["POST"]


def test_another_actors_key_that_was_not_asked_for_is_not_ours(sim: Simulator, client: Any) -> None:
    sim.fail("createApiKey", effect="reset", after=True)
    others = []

    def other() -> None:
        others.append(sim.add_key(name=NAME, environment="production", permissions={"create_datasets": True}))
        others.append(sim.add_key(name=NAME, environment="production", created=sim.now() - timedelta(minutes=1)))
        others.append(sim.add_key(name=NAME, environment="production", time_to_live=sim.now() + timedelta(days=1)))

    created = create(client, sim, wanted(sim), [other])
    assert [key.id for key in enabled(sim)] == [*(key.id for key in others), created.key.id]


def test_keys_of_the_same_name_that_were_there_stay(sim: Simulator, client: Any) -> None:
    old = sim.add_key(name=NAME, environment="production", created=sim.now())
    sim.fail("createApiKey", effect="reset", after=True)
    created = create(client, sim, wanted(sim))
    assert [key.id for key in enabled(sim)] == [old.id, created.key.id]


# Troubles that come together


def test_the_value_is_handed_back_when_cleaning_up_fails(sim: Simulator, client: Any) -> None:
    sim.fail("createApiKey", effect="late", delay=0.15)
    sim.fail("deleteApiKey", status=403, shape="jsonapi", times=None)
    with pytest.raises(HoneycombError) as caught:
        create(client, sim, wanted(sim))
    (value,) = caught.value.created
    assert check_value(client.transport, value["key"]).id == value["id"]
    (orphan,) = [key for key in enabled(sim) if key.id != value["id"]]
    assert orphan.id in caught.value.message


def test_the_value_is_handed_back_when_looking_fails(sim: Simulator, client: Any) -> None:
    sim.fail("createApiKey", effect="reset")
    sim.fail("listApiKeys", status=403, shape="jsonapi", nth=3, times=None)
    with pytest.raises(HoneycombError, match="may have made one ingest key 'checkout' after 20") as caught:
        create(client, sim, wanted(sim))
    (value,) = caught.value.created
    assert [key.value for key in enabled(sim)] == [value["key"]]


def test_a_service_that_goes_away(sim: Simulator, client: Any) -> None:
    sim.fail("createApiKey", effect="down", after=True)
    with pytest.raises(HoneycombError, match="may have made one ingest key 'checkout' after 20"):
        create(client, sim, wanted(sim))


def test_no_time_left(sim: Simulator) -> None:
    transport = Transport(sim.url, timeout=0.5, max_wait=0)
    client = Client(transport, *sim.management)
    sim.fail("createApiKey", effect="reset")
    with pytest.raises(HoneycombError, match="max_wait.*may have made one ingest key"):
        create(client, sim, wanted(sim))
    transport.close()


def test_what_came_of_a_lost_request_and_was_not_found_is_told(sim: Simulator, client: Any) -> None:
    """It may still come, later than anybody waits."""
    sim.fail("createApiKey", effect="reset", after=False)
    create(client, sim, wanted(sim))
    (note,) = client.transport.notes
    assert "1 of the requests for it had no answer" in note and "'checkout'" in note
    sim.fail("createApiKey", effect="reset", after=True)
    create(client, sim, wanted(sim, "other"))
    assert len(client.transport.notes) == 1, "that one was found"


def test_one_advice_at_the_end(sim: Simulator) -> None:
    """Two causes, each with its own advice, would send the reader two ways; running it again is the wrong one here."""
    transport = Transport(sim.url, timeout=0.5, max_wait=0)
    sim.fail("createApiKey", effect="reset", after=True)
    with pytest.raises(HoneycombError) as caught:
        create(Client(transport, *sim.management), sim, wanted(sim))
    assert "again" not in caught.value.message
    assert caught.value.message.endswith("Before you rerun, delete the key of this name that is not in use.")
    transport.close()


# Many at once


@each_way
def test_many_at_once(sim: Simulator, client: Any, bystanders: Any, way: Any) -> None:
    names = [f"{NAME}-{number}" for number in range(12)]
    sim.fail("createApiKey", **{**way, "nth": 3, "times": 3})
    before = {key.id for key in client.list_keys("ingest")}
    plans = [Plan("create", None, wanted(sim, name)) for name in names]
    outcomes = apply_plans(client, plans, before, concurrency=8)
    wait_for_late(way)
    assert [outcome.error for outcome in outcomes] == [None] * 12
    for name, outcome in zip(names, outcomes, strict=True):
        assert [key.value for key in enabled(sim, name)] == [outcome.created.value]


@pytest.mark.parametrize("after, looks", [(True, 1), (False, 2)])
def test_one_look_per_batch(sim: Simulator, client: Any, after: Any, looks: Any) -> None:
    """However many answers are lost: one listing tells what they made. One more where a key may still come late."""
    sim.add_keys(250, environment="staging")
    before = {key.id for key in client.list_keys("ingest")}
    sim.forget_requests()
    sim.fail("createApiKey", effect="reset", after=after, times=5)
    plans = [Plan("create", None, wanted(sim, f"{NAME}-{number}")) for number in range(12)]
    assert not [outcome.error for outcome in apply_plans(client, plans, before, concurrency=8) if outcome.error]
    pages = [request.operation for request in sim.requests].count("listApiKeys")
    assert pages == looks * 3


def test_a_defect_in_one_does_not_lose_the_others(sim: Simulator, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    create_key = client.create_key

    def defective(key: Any) -> Any:
        if key.name == "b":
            raise RuntimeError("inner words")
        return create_key(key)

    monkeypatch.setattr(client, "create_key", defective)
    plans = [Plan("create", None, wanted(sim, name)) for name in "abc"]
    outcomes = apply_plans(client, plans, set(), concurrency=3)
    assert [outcome.created is not None for outcome in outcomes] == [True, False, True]
    assert "RuntimeError" in outcomes[1].error.message and "inner words" not in outcomes[1].error.message


# Changing and deleting


@each_way
def test_a_lost_answer_to_a_change_is_resolved(sim: Simulator, client: Any, way: Any) -> None:
    key = sim.add_key(name="old", key_type="configuration", environment="production", permissions={"send_events": True})
    sim.fail("updateApiKey", **way)
    changes = {"name": NAME, "disabled": True, "permissions": {"send_events": False, "run_queries": True}}
    changed = client.update_key(key.id, changes)
    wait_for_late(way)
    found = sim.key(key.id)
    assert (changed.name, changed.disabled) == (found.name, found.disabled) == (NAME, True)
    assert [name for name, granted in found.permissions.items() if granted] == ["run_queries"]


@each_deletion
def test_a_lost_answer_to_a_deletion_is_resolved(sim: Simulator, client: Any, bystanders: Any, way: Any) -> None:
    key = sim.add_key(name=NAME, environment="production")
    sim.fail("deleteApiKey", **way)
    assert client.delete_key(key.id) is True
    assert sim.key(key.id) is None


def test_a_key_that_was_gone_is_no_deletion(sim: Simulator, client: Any) -> None:
    assert client.delete_key("hcxik_00000000000000000000000000") is False


@pytest.mark.parametrize("status", [404, 409])
def test_a_web_page_is_no_word_of_the_service(sim: Simulator, client: Any, status: Any) -> None:
    """A 404 from something in between does not mean that the key is gone."""
    key = sim.add_key(name=NAME, environment="production")
    sim.fail("deleteApiKey", status=status, shape="html", times=None)
    with pytest.raises(HoneycombError, match="Something other than Honeycomb"):
        client.delete_key(key.id)
    assert sim.key(key.id) is not None
