# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Environments over the v2 API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulator import Simulator

if TYPE_CHECKING:
    from simulator_tests.conftest import Client


def test_create_shows_protection_slug_and_color(sim: Simulator, client: Client) -> None:
    response = client.create_environment(name="EU West (2)", description="there", color="lightGold")
    assert response.status_code == 201
    data = response.json()["data"]
    assert data["id"].startswith("hcxen_") and len(data["id"]) == 32
    assert data["attributes"] == {
        "name": "EU West (2)",
        "slug": "eu-west-2",
        "description": "there",
        "color": "lightGold",
        "settings": {"delete_protected": True},
    }
    assert client("GET", f"environments/{data['id']}").json()["data"] == data
    assert [place["slug"] for place in sim.environments] == ["production", "staging", "eu-west-2"]


@pytest.mark.parametrize(
    "attributes, field, code",
    [
        ({}, "name", "missing"),
        ({"name": ""}, "name", "invalid"),
        ({"name": "x" * 256}, "name", "invalid"),
        ({"name": 7}, "name", "incorrect_type"),
        ({"name": "n", "description": "x" * 256}, "description", "invalid"),
        ({"name": "n", "color": "classic"}, "color", "invalid"),
        ({"name": "n", "color": "pink"}, "color", "invalid"),
    ],
)
def test_bad_attributes_come_back_as_a_problem(
    sim: Simulator, client: Client, attributes: dict[str, Any], field: str, code: str
) -> None:
    response = client.create_environment(**attributes)
    assert response.status_code == 422
    assert response.headers["Content-Type"] == "application/problem+json"
    (detail,) = response.json()["type_detail"]
    assert (detail["field"], detail["code"]) == (field, code)
    assert len(sim.environments) == 2


def test_longest_name_and_description_are_taken(client: Client) -> None:
    assert client.create_environment(name="x" * 255, description="y" * 255).status_code == 201


@pytest.mark.parametrize("name", ["Production", "production", "PRODUCTION!"])
def test_name_clash(client: Client, name: str) -> None:
    response = client.create_environment(name=name)
    assert response.status_code == 409
    assert response.json()["type"].endswith("/conflict")


def test_update(client: Client, sim: Simulator) -> None:
    place = sim.environments[0]["id"]
    response = client.update_environment(place, description="d", color="red", settings={"delete_protected": False})
    assert response.status_code == 200
    attributes = response.json()["data"]["attributes"]
    assert (attributes["description"], attributes["color"]) == ("d", "red")
    assert attributes["settings"] == {"delete_protected": False}
    # What is left out stays.
    attributes = client.update_environment(place, description="e").json()["data"]["attributes"]
    assert (attributes["color"], attributes["settings"]) == ("red", {"delete_protected": False})


@pytest.mark.parametrize("attribute", ["name", "slug"])
def test_no_rename(sim: Simulator, client: Client, attribute: str) -> None:
    place = sim.environments[0]["id"]
    response = client.update_environment(place, color="red", **{attribute: "other"})
    assert response.status_code == 422
    assert response.json()["type_detail"][0]["field"] == attribute
    assert sim.environments[0]["color"] == "blue"


def test_delete_needs_protection_off_and_takes_the_keys_along(sim: Simulator, client: Client) -> None:
    place = sim.environments[0]["id"]
    gone = sim.add_key(environment=place)
    left = sim.add_key(environment="staging")
    response = client("DELETE", f"environments/{place}")
    assert response.status_code == 409
    assert response.json()["errors"][0]["code"] == "conflict"
    assert client.auth(gone.value).status_code == 200

    client.update_environment(place, settings={"delete_protected": False})
    assert client("DELETE", f"environments/{place}").status_code == 204
    for method in ("GET", "DELETE"):
        assert client(method, f"environments/{place}").status_code == 404
    assert client("GET", f"api-keys/{gone.id}").status_code == 404
    assert client.auth(gone.value).status_code == 401
    assert [key.id for key in sim.keys()] == [left.id]
    assert client.create_environment(name="Production").status_code == 201


def test_pages(sim: Simulator, client: Client) -> None:
    for number in range(25):
        sim.add_environment(f"place {number}")
    first = client("GET", "environments").json()
    assert len(first["data"]) == 20
    second = client("GET", first["links"]["next"]).json()
    assert (len(second["data"]), second["links"]["next"]) == (7, None)
    assert client("GET", "environments?page[size]=0").status_code == 422
