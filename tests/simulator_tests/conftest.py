# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures for the tests of the simulator itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from simulator import Simulator

JSONAPI = "application/vnd.api+json"


class Client:
    """A plain HTTP client with a management key; what it gets is what the simulator sent."""

    def __init__(self, simulator: Simulator, management: tuple[str, str] | None = None) -> None:
        self.simulator = simulator
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = "Bearer {}:{}".format(*(management or simulator.management))

    def __call__(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """``path`` is taken from the team on, unless it begins with a slash."""
        if not path.startswith("/"):
            path = f"/2/teams/{self.simulator.team}/{path}"
        return self.session.request(method, self.simulator.url + path, timeout=10, allow_redirects=False, **arguments)

    def send(self, method: str, path: str, data: object) -> requests.Response:
        """A JSON:API document."""
        return self(method, path, json={"data": data}, headers={"Content-Type": JSONAPI})

    def create_key(self, environment: str | None = None, **attributes: Any) -> requests.Response:
        place = environment or self.simulator.environments[0]["id"]
        data = {
            "type": "api-keys",
            "attributes": {"name": "a key", "key_type": "ingest", **attributes},
            "relationships": {"environment": {"data": {"type": "environments", "id": place}}},
        }
        return self.send("POST", "api-keys", data)

    def update_key(self, key_id: str, **attributes: Any) -> requests.Response:
        return self.send("PATCH", f"api-keys/{key_id}", {"type": "api-keys", "id": key_id, "attributes": attributes})

    def create_environment(self, **attributes: Any) -> requests.Response:
        return self.send("POST", "environments", {"type": "environments", "attributes": attributes})

    def update_environment(self, environment_id: str, **attributes: Any) -> requests.Response:
        data = {"type": "environments", "id": environment_id, "attributes": attributes}
        return self.send("PATCH", f"environments/{environment_id}", data)

    def auth(self, value: str | None) -> requests.Response:
        """``/1/auth`` with a usable value."""
        return self("GET", "/1/auth", headers={"X-Honeycomb-Team": value, "Authorization": None})

    def event(self, value: str | None) -> requests.Response:
        headers = {"X-Honeycomb-Team": value, "Authorization": None}
        return self("POST", "/1/events/tests", json={"a": 1}, headers=headers)


@pytest.fixture(name="sim")
def fixture_sim() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@pytest.fixture(name="client")
def fixture_client(sim: Simulator) -> Client:
    return Client(sim)


@pytest.fixture(name="client_of")
def fixture_client_of() -> type[Client]:
    """Makes a client of another simulator."""
    return Client


@pytest.fixture(name="client_with")
def fixture_client_with(sim: Simulator) -> Callable[..., Client]:
    """Makes a client whose management key has only the given scopes."""
    return lambda *scopes: Client(sim, sim.add_management_key(scopes))
