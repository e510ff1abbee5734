# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The simulator against Honeycomb's published description, where there is a copy of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from simulator import Simulator

DESCRIPTION = Path(__file__).resolve().parents[3] / "shared" / "reference" / "honeycomb-openapi-key-management.yaml"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
OPERATIONS = {
    "getV2Auth": 200,
    "getAuth": 200,
    "listApiKeys": 200,
    "createApiKey": 201,
    "getApiKey": 200,
    "updateApiKey": 200,
    "deleteApiKey": 204,
    "listEnvironments": 200,
    "createEnvironment": 201,
    "getEnvironment": 200,
    "updateEnvironment": 200,
    "deleteEnvironment": 204,
}

pytestmark = pytest.mark.skipif(not DESCRIPTION.exists(), reason="there is no copy of the published description here")


@pytest.fixture(name="description", scope="module")
def fixture_description():
    return schemathesis.openapi.from_path(str(DESCRIPTION))


def fill_in(sim: Simulator, case) -> None:
    """Let generated requests meet what exists: a made up id or team would only ever be 404."""
    operation = case.operation.definition.raw["operationId"]
    parameters = case.path_parameters or {}
    if "teamSlug" in parameters:
        parameters["teamSlug"] = sim.team
    target = None
    if "ID" in parameters and len(str(parameters["ID"])) % 4:
        if "ApiKey" in operation:
            key_type = "configuration" if len(str(case.body)) % 2 else "ingest"
            target = sim.add_key(key_type=key_type).id
        else:
            name = f"place {len(sim.environments)} of {sim.now().timestamp()}"
            target = sim.add_environment(name, delete_protected=bool(len(str(parameters["ID"])) % 2))["id"]
        parameters["ID"] = target
    data = case.body.get("data") if isinstance(case.body, dict) else None
    if not isinstance(data, dict):
        return
    if target and isinstance(data.get("id"), str):
        data["id"] = target
    try:
        data["relationships"]["environment"]["data"]["id"] = sim.environments[0]["id"]
    except (KeyError, TypeError):
        pass  # a body that is wrong on purpose


# Under a limit one operation of each kind is enough.
CASES = [
    *(pytest.param(name, None, id=name) for name in OPERATIONS),
    *(pytest.param(name, (10, 3600), id=f"{name}-limited") for name in ("getAuth", "listApiKeys", "createEnvironment")),
]


@pytest.mark.parametrize("operation, limit", CASES)
def test_answers_are_as_described(description, operation, limit):
    seen = set()
    with Simulator(rate_limit=limit) as sim:
        if operation == "getAuth":
            headers = {"X-Honeycomb-Team": sim.add_key(key_type="configuration").value}
        else:
            headers = {"Authorization": "Bearer {}:{}".format(*sim.management)}
        sim.add_keys(30)
        strategy = description.find_operation_by_id(operation).as_strategy()

        @given(case=strategy)
        @settings(
            max_examples=25,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def run(case):
            fill_in(sim, case)
            response = case.call_and_validate(base_url=sim.url, headers=headers, checks=CHECKS)
            seen.add(response.status_code)

        run()
    # Without a success among them the answers would have said little.
    assert OPERATIONS[operation] in seen
    assert (429 in seen) == bool(limit)
