# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finding an environment by its id, slug or name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.community.honeycomb.plugins.module_utils._api.client import Client
from ansible_collections.community.honeycomb.plugins.module_utils._api.resources import Environment
from ansible_collections.community.honeycomb.plugins.module_utils._environments.lookup import (
    Environments,
    find_environment,
)
from ansible_collections.community.honeycomb.plugins.module_utils._errors import Forbidden, InputError
from ansible_collections.community.honeycomb.plugins.module_utils._http.transport import Transport
from simulator import Simulator


def test_find_environment() -> None:
    one, two, three = (Environment(f"hcaen_{name}", name.title(), name) for name in ("one", "two", "three"))
    twin = Environment("hcaen_4", "one", "one-1")
    for wanted in ("hcaen_two", "two", "Two"):
        assert find_environment([one, two, three], wanted) is two
    assert find_environment([one, two, three], "four") is None
    with pytest.raises(
        InputError, match=r"name: 'one'.*hcaen_one \(One, slug one\), hcaen_4 \(one, slug one-1\).*give the id"
    ):
        find_environment([one, twin], "one", "name")


@pytest.fixture
def environments(sim: Simulator) -> Iterator[Any]:
    opened = []

    def make(*scopes: Any) -> Any:
        opened.append(Transport(sim.url))
        return Environments(Client(opened[-1], *sim.add_management_key(scopes)))

    yield make
    for transport in opened:
        transport.close()


def test_environments_are_listed_once(sim: Simulator, environments: Any) -> None:
    known = environments("environments:read")
    ids = [place["id"] for place in sim.environments]
    assert [known.resolve(wanted).id for wanted in ("production", "Staging", ids[0])] == [*ids, ids[0]]
    assert known.name(ids)[ids[1]].slug == "staging"
    with pytest.raises(InputError, match="'nowhere'"):
        known.resolve("nowhere")
    assert [request.operation for request in sim.requests] == ["getV2Auth", "listEnvironments"]


@pytest.mark.parametrize("region", "abx")
def test_environments_that_may_not_be_listed(sim: Simulator, environments: Any, region: Any) -> None:
    known = environments("api-keys:read")
    wanted = f"hc{region}en_01hznmeqrcq8rz533xrvtc6mk0"
    assert known.resolve(wanted).id == wanted
    assert known.name([wanted, "hcaen_other"]).get("hcaen_other") is None
    for text in ("production", "hc", "hcaen", "hcabc_x"):
        with pytest.raises(Forbidden, match="environments:read") as caught:
            known.resolve(text)
        assert f"{text!r} by its id" in caught.value.message


def test_an_environment_that_is_not_there(sim: Simulator, environments: Any) -> None:
    with pytest.raises(InputError, match="'nowhere'. This team has: production, staging."):
        environments("environments:read").resolve("nowhere")
