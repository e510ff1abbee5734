# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys over the v2 API: faithful where the service is documented, strict where clients go wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
import requests

from simulator import Simulator

if TYPE_CHECKING:
    from simulator_tests.conftest import Client

MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


def error(response: requests.Response) -> Any:
    """The only error of a JSON:API answer."""
    assert response.headers["Content-Type"] == "application/vnd.api+json"
    (only,) = response.json()["errors"]
    assert only["status"] == str(response.status_code)
    return only


def test_ingest_key_is_created_with_its_secret_shown_once(sim: Simulator, client: Client) -> None:
    response = client.create_key(name="collector", permissions={"create_datasets": True})
    assert response.status_code == 201
    data = response.json()["data"]
    attributes = data["attributes"]
    secret = attributes.pop("secret")
    assert re.fullmatch(r"hcxik_[0-9a-hjkmnp-tv-z]{26}", data["id"])
    assert (len(secret), len(data["id"] + secret)) == (32, 64)
    assert sim.key(data["id"]).value == data["id"] + secret
    stamps = attributes.pop("timestamps")
    assert re.fullmatch(MOMENT, stamps["created"]) and stamps["updated"] == stamps["created"]
    assert attributes == {
        "name": "collector",
        "key_type": "ingest",
        "disabled": False,
        "permissions": {"create_datasets": True},
    }
    assert data["relationships"]["environment"]["data"] == {
        "id": sim.environments[0]["id"],
        "type": "environments",
    }
    for later in (
        client("GET", f"api-keys/{data['id']}"),
        client("GET", "api-keys"),
        client.update_key(data["id"], name="other"),
        client("GET", "/_simulator/state"),
        client("GET", "/_simulator/requests"),
    ):
        assert later.status_code == 200
        assert secret not in later.text
        assert "collector" in later.text or "other" in later.text


def test_configuration_key_value_is_the_secret_alone(sim: Simulator, client: Client) -> None:
    data = client.create_key(key_type="configuration", permissions={"run_queries": True}).json()["data"]
    secret = data["attributes"]["secret"]
    assert data["id"].startswith("hcxlk_") and len(secret) == 22
    assert sim.key(data["id"]).value == secret
    permissions = data["attributes"]["permissions"]
    assert len(permissions) == 13 and [name for name in permissions if permissions[name]] == ["run_queries"]


def test_two_keys_may_have_one_name(sim: Simulator, client: Client) -> None:
    assert [client.create_key(name="twin").status_code for _unused in range(2)] == [201, 201]
    assert len({key.id for key in sim.keys(name="twin")}) == 2


def test_unknown_permissions_are_ignored_without_a_word(client: Client) -> None:
    response = client.create_key(permissions={"create_dataset": True, "send_events": True})
    assert response.status_code == 201
    assert response.json()["data"]["attributes"]["permissions"] == {"create_datasets": False}


@pytest.mark.parametrize(
    "attributes, pointer",
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": None}, "name"),
        ({"key_type": "management"}, "key_type"),
        ({"disabled": "yes"}, "disabled"),
        ({"permissions": ["create_datasets"]}, "permissions"),
        ({"permissions": {"create_datasets": 1}}, "permissions/create_datasets"),
        ({"time_to_live": "2020-01-01T00:00:00Z"}, "time_to_live"),
        ({"time_to_live": "2h"}, "time_to_live"),
        ({"time_to_live": "2120-01-01T00:00:00"}, "time_to_live"),
        ({"key_type": "configuration", "time_to_live": "2120-01-01T00:00:00Z"}, "time_to_live"),
    ],
)
def test_bad_attribute_of_a_new_key_is_pointed_at(
    sim: Simulator, client: Client, attributes: dict[str, Any], pointer: str
) -> None:
    response = client.create_key(**attributes)
    assert response.status_code == 422
    assert error(response)["source"] == {"pointer": f"/data/attributes/{pointer}"}
    assert sim.keys() == []


def test_longest_name_is_taken(client: Client) -> None:
    assert client.create_key(name="é" * 100).status_code == 201


@pytest.mark.parametrize("missing", ["name", "key_type"])
def test_required_attributes(client: Client, sim: Simulator, missing: str) -> None:
    attributes = {"name": "n", "key_type": "ingest"}
    del attributes[missing]
    place = {"environment": {"data": {"type": "environments", "id": sim.environments[0]["id"]}}}
    data = {"type": "api-keys", "attributes": attributes, "relationships": place}
    response = client.send("POST", "api-keys", data)
    assert response.status_code == 422
    assert error(response)["source"]["pointer"] == f"/data/attributes/{missing}"


def test_environment_is_required_and_must_exist(client: Client) -> None:
    data = {"type": "api-keys", "attributes": {"name": "n", "key_type": "ingest"}}
    response = client.send("POST", "api-keys", data)
    assert (response.status_code, error(response)["source"]["pointer"]) == (422, "/data/relationships")
    response = client.create_key(environment="production")
    pointer = "/data/relationships/environment/data/id"
    assert (response.status_code, error(response)["source"]["pointer"]) == (422, pointer)


@pytest.mark.parametrize("media_type", ["application/json", "text/plain", None])
def test_media_type_is_demanded(sim: Simulator, client: Client, media_type: str | None) -> None:
    key = sim.add_key(name="before")
    for method, path in (("POST", "api-keys"), ("PATCH", f"api-keys/{key.id}"), ("POST", "environments")):
        response = client(method, path, data=b"{}", headers={"Content-Type": media_type})
        assert response.status_code == 415
        assert error(response)["code"] == "unsupported-media-type"


def test_body_that_is_no_json_or_too_large(client: Client) -> None:
    headers = {"Content-Type": "application/vnd.api+json"}
    assert client("POST", "api-keys", data=b"{", headers=headers).status_code == 400
    assert client("POST", "api-keys", data=b"[]", headers=headers).status_code == 400
    response = client("POST", "api-keys", data=b" " * 100_001, headers=headers)
    assert response.status_code == 413
    assert response.headers["Content-Type"] == "application/json"
    assert response.json()["type"].endswith("/payload-too-large")


def test_update_renames_disables_and_moves_the_time(sim: Simulator, client: Client) -> None:
    key = sim.add_key(name="old", permissions={"create_datasets": True})
    sim.advance(3600)
    response = client.update_key(key.id, name="new", disabled=True)
    assert response.status_code == 200
    attributes = response.json()["data"]["attributes"]
    assert (attributes["name"], attributes["disabled"]) == ("new", True)
    assert attributes["permissions"] == {"create_datasets": True}
    after = sim.key(key.id)
    assert after.created == key.created
    assert timedelta(hours=1) <= after.updated - key.created < timedelta(hours=1, minutes=1)


def test_omitted_permissions_of_a_configuration_key_keep_their_value(sim: Simulator, client: Client) -> None:
    key = sim.add_key(key_type="configuration", permissions={"send_events": True, "run_queries": True})
    client.update_key(key.id, permissions={"send_events": False, "manage_slos": True})
    after = sim.key(key.id).permissions
    assert sorted(name for name in after if after[name]) == ["manage_slos", "run_queries"]


@pytest.mark.parametrize(
    "attribute, value",
    [("key_type", "ingest"), ("permissions", {"create_datasets": True}), ("time_to_live", "2120-01-01T00:00:00Z")],
)
def test_what_can_not_change_is_refused(sim: Simulator, client: Client, attribute: str, value: object) -> None:
    key = sim.add_key(name="before")
    response = client.update_key(key.id, name="after", **{attribute: value})
    assert response.status_code == 422
    assert error(response)["source"]["pointer"] == f"/data/attributes/{attribute}"
    assert sim.key(key.id) == key


def test_environment_of_a_key_can_not_change(sim: Simulator, client: Client) -> None:
    key = sim.add_key()
    data = {"type": "api-keys", "id": key.id, "attributes": {}}
    data["relationships"] = {"environment": {"data": {"type": "environments", "id": sim.environments[1]["id"]}}}
    response = client.send("PATCH", f"api-keys/{key.id}", data)
    assert response.status_code == 422
    assert error(response)["source"]["pointer"] == "/data/relationships/environment"


@pytest.mark.parametrize("change", [{"id": "hcxik_other"}, {"type": "keys"}, {"id": None}, {"attributes": None}])
def test_update_must_name_its_object(sim: Simulator, client: Client, change: dict[str, Any]) -> None:
    key = sim.add_key()
    data = {"type": "api-keys", "id": key.id, "attributes": {"name": "n"}, **change}
    response = client.send("PATCH", f"api-keys/{key.id}", data)
    assert response.status_code == 422
    assert error(response)["source"]["pointer"] == f"/data/{next(iter(change))}"


def test_delete_is_final(sim: Simulator, client: Client) -> None:
    key = sim.add_key()
    response = client("DELETE", f"api-keys/{key.id}")
    assert (response.status_code, response.content) == (204, b"")
    for method in ("GET", "DELETE"):
        response = client(method, f"api-keys/{key.id}")
        assert response.status_code == 404
        assert error(response)["code"] == "not-found"
    assert client.update_key(key.id, name="n").status_code == 404
    assert sim.key(key.id) is None and sim.keys() == []


def test_pages(sim: Simulator, client: Client) -> None:
    ids = [key.id for key in sim.add_keys(45)]
    first = client("GET", "api-keys").json()
    assert [item["id"] for item in first["data"]] == ids[:20]
    assert first["links"]["next"].startswith(f"/2/teams/{sim.team}/api-keys?page[after]=")
    # A key that goes away between two pages neither breaks the list nor hides another key.
    client("DELETE", f"api-keys/{ids[19]}")
    second = client("GET", first["links"]["next"]).json()
    third = client("GET", second["links"]["next"]).json()
    assert [item["id"] for item in second["data"] + third["data"]] == ids[20:]
    assert third["links"]["next"] is None
    assert len(client("GET", "api-keys?page[size]=100").json()["data"]) == 44


def test_last_page_that_is_just_full_has_no_next(sim: Simulator, client: Client) -> None:
    sim.add_keys(20)
    assert client("GET", "api-keys").json()["links"]["next"] is None


def test_filter_by_type_holds_over_all_pages(sim: Simulator, client: Client) -> None:
    sim.add_keys(5)
    wanted = [key.id for key in sim.add_keys(3, key_type="configuration")]
    sim.add_keys(5)
    page = client("GET", "api-keys?filter[type]=configuration&page[size]=2").json()
    ids = [item["id"] for item in page["data"]]
    page = client("GET", page["links"]["next"]).json()
    assert ids + [item["id"] for item in page["data"]] == wanted
    assert page["links"]["next"] is None


@pytest.mark.parametrize(
    "query, parameter",
    [
        ("page[size]=0", "page[size]"),
        ("page[size]=101", "page[size]"),
        ("page[size]=many", "page[size]"),
        ("page[size]=", "page[size]"),
        ("page[after]=nonsense", "page[after]"),
        ("filter[type]=management", "filter[type]"),
        ("filter[type]=", "filter[type]"),
    ],
)
def test_bad_query_is_named(client: Client, query: str, parameter: str) -> None:
    response = client("GET", f"api-keys?{query}")
    assert response.status_code == 422
    assert error(response)["source"] == {"parameter": parameter}


@pytest.mark.parametrize(
    "method, path, scope",
    [
        ("GET", "api-keys", "api-keys:read"),
        ("GET", "api-keys/x", "api-keys:read"),
        ("POST", "api-keys", "api-keys:write"),
        ("PATCH", "api-keys/x", "api-keys:write"),
        ("DELETE", "api-keys/x", "api-keys:write"),
        ("GET", "environments", "environments:read"),
        ("POST", "environments", "environments:write"),
        ("DELETE", "environments/x", "environments:write"),
    ],
)
def test_missing_scope_is_named(client_with: Callable[..., Client], method: str, path: str, scope: str) -> None:
    others = {"api-keys:read", "api-keys:write", "environments:read", "environments:write"} - {scope}
    response = client_with(*others)(method, path)
    assert response.status_code == 403
    assert scope in error(response)["detail"]


def test_other_team_is_not_found(client: Client) -> None:
    response = client("GET", "/2/teams/other/api-keys")
    assert response.status_code == 404
    assert error(response)["code"] == "not-found"


@pytest.mark.parametrize(
    "header", [None, "Bearer", "Bearer a:b", "Basic {id}:{secret}", "Bearer {id}:wrong", "{id}:{secret}"]
)
def test_bad_management_key(sim: Simulator, client: Client, header: str | None) -> None:
    key_id, secret = sim.management
    given = header and header.format(id=key_id, secret=secret)
    for path in ("/2/auth", "api-keys"):
        response = client("GET", path, headers={"Authorization": given})
        assert response.status_code == 401
        wrong = error(response)
        assert (wrong["code"], wrong["source"]) == ("unauthenticated/invalid-key", {"header": "Authorization"})


def test_region_is_in_every_id() -> None:
    simulator = Simulator(region="b")
    ids = [simulator.management[0], simulator.environments[0]["id"], simulator.add_key().id]
    assert [name[:6] for name in ids] == ["hcbmk_", "hcben_", "hcbik_"]


def test_seeded_key_has_the_age_it_was_given(sim: Simulator, client: Client) -> None:
    born = datetime(2025, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    key = sim.add_key(created=born, environment="staging", disabled=True)
    attributes = client("GET", f"api-keys/{key.id}").json()["data"]["attributes"]
    assert attributes["timestamps"] == {"created": "2025-01-02T03:04:05Z", "updated": "2025-01-02T03:04:05Z"}
    assert [found.id for found in sim.keys(environment="Staging")] == [key.id]
    assert sim.keys(environment="production") == []


def test_changes_by_hand(sim: Simulator, client: Client) -> None:
    key = sim.add_key(key_type="configuration", permissions={"send_events": True})
    sim.advance(60)
    sim.update_key(key.id, name="by hand", disabled=True, permissions={"run_queries": True})
    attributes = client("GET", f"api-keys/{key.id}").json()["data"]["attributes"]
    assert (attributes["name"], attributes["disabled"]) == ("by hand", True)
    assert attributes["permissions"]["send_events"] and attributes["permissions"]["run_queries"]
    assert attributes["timestamps"]["updated"] > attributes["timestamps"]["created"]
    sim.remove_key(key.id)
    assert client("GET", f"api-keys/{key.id}").status_code == 404
    with pytest.raises(KeyError):
        sim.update_key(key.id, name="gone")


def test_signals_may_be_left_out_of_updates(client_of: type[Client]) -> None:
    with Simulator(signals_on_update=False) as simulator:
        key = simulator.add_key(key_type="configuration")
        response = client_of(simulator).update_key(key.id, permissions={"manage_signals": True, "send_events": True})
        assert response.status_code == 200
        after = simulator.key(key.id).permissions
        assert (after["manage_signals"], after["send_events"]) == (False, True)
