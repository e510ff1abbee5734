# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the two authorization routes say about keys, and how fast changes reach them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from simulator import Simulator

if TYPE_CHECKING:
    from simulator_tests.conftest import Client


def test_management_key_names_itself_and_its_team(sim: Simulator, client_with: Callable[..., Client]) -> None:
    client = client_with("api-keys:read", "api-keys:write")
    body = client("GET", "/2/auth").json()
    assert body["data"]["attributes"]["scopes"] == ["api-keys:read", "api-keys:write"]
    assert body["data"]["attributes"]["key_type"] == "management"
    assert body["data"]["id"].startswith("hcxmk_")
    (team,) = body["included"]
    assert team["attributes"]["slug"] == sim.team
    assert body["data"]["relationships"]["team"]["data"] == {"id": team["id"], "type": "teams"}


def test_disabled_management_key_is_refused(sim: Simulator, client: Client) -> None:
    key_id, secret = sim.add_management_key(disabled=True)
    response = client("GET", "/2/auth", headers={"Authorization": f"Bearer {key_id}:{secret}"})
    assert response.status_code == 401


def test_ingest_value(sim: Simulator, client: Client) -> None:
    key = sim.add_key(permissions={"create_datasets": True}, environment="staging")
    response = client.auth(key.value)
    assert response.status_code == 200
    assert response.json() == {
        "id": key.id,
        "type": "ingest",
        "api_key_access": {"createDatasets": True},
        "environment": {"name": "Staging", "slug": "staging"},
        "team": {"name": "Simulated Team", "slug": sim.team},
    }


def test_configuration_value_has_an_older_id_and_all_access(sim: Simulator, client: Client) -> None:
    key = sim.add_key(key_type="configuration", permissions={"send_events": True, "manage_privateBoards": True})
    body = client.auth(key.value).json()
    assert body["type"] == "configuration"
    assert body["id"] and body["id"] != key.id
    access = body["api_key_access"]
    assert set(access) == {
        "events", "markers", "triggers", "boards", "queries", "columns", "createDatasets", "slos", "recipients",
        "privateBoards",
    }  # fmt: skip
    assert {name for name in access if access[name]} == {"events", "privateBoards"}


@pytest.mark.parametrize("part", ["id", "secret", "other", "nothing"])
def test_anything_but_the_usable_value_is_refused(sim: Simulator, client: Client, part: str) -> None:
    ingest = sim.add_key()
    configuration = sim.add_key(key_type="configuration")
    values = {
        "id": (ingest.id, configuration.id),
        "secret": (ingest.secret, configuration.id + configuration.secret),
        "other": (ingest.value[:-1], configuration.value + "x"),
        "nothing": ("", None),
    }
    for value in values[part]:
        response = client.auth(value)
        assert response.status_code == 401
        assert response.json() == {"error": "unknown API key - check your credentials"}
        assert client.event(value).status_code == 401


def test_disabled_then_enabled_again(sim: Simulator, client: Client) -> None:
    key = sim.add_key()
    assert (client.auth(key.value).status_code, client.event(key.value).status_code) == (200, 200)
    client.update_key(key.id, disabled=True)
    assert (client.auth(key.value).status_code, client.event(key.value).status_code) == (401, 401)
    client.update_key(key.id, disabled=False)
    assert (client.auth(key.value).status_code, client.event(key.value).status_code) == (200, 200)


def test_time_to_live_ends_a_key(sim: Simulator, client: Client) -> None:
    end = (sim.now() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    data = client.create_key(time_to_live=end).json()["data"]
    assert data["attributes"]["time_to_live"] == end
    value = sim.key(data["id"]).value
    assert (client.auth(value).status_code, client.event(value).status_code) == (200, 200)
    sim.advance(3601)
    assert (client.auth(value).status_code, client.event(value).status_code) == (401, 401)
    assert sim.refusals[-1].reason == "expired"
    assert client("GET", f"api-keys/{data['id']}").status_code == 200


def test_propagation_delays_every_change_but_deletion(sim: Simulator, client: Client) -> None:
    old = sim.add_key()
    sim.propagation = 60
    new = sim.key(client.create_key().json()["data"]["id"])
    client.update_key(old.id, disabled=True)
    # The management API shows the change at once, the edge does not.
    assert sim.key(old.id).disabled
    assert [client.auth(key.value).status_code for key in (old, new)] == [200, 401]
    assert [client.event(key.value).status_code for key in (old, new)] == [200, 401]
    sim.advance(61)
    assert [client.auth(key.value).status_code for key in (old, new)] == [401, 200]
    client.update_key(old.id, disabled=False)
    assert client.auth(old.value).status_code == 401
    sim.advance(61)
    assert client.auth(old.value).status_code == 200
    client("DELETE", f"api-keys/{old.id}")
    assert client.auth(old.value).status_code == 401
