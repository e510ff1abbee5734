# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The simulator and the collection against ``api.yaml``, our description of what we rely on.

Set ``PUBLISHED_API_DESCRIPTION`` to the path of a copy of Honeycomb's own description to compare with that, too.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.specs.openapi.schemas import OpenApiSchema

import simulator
from ansible_collections.community.honeycomb.plugins.module_utils._api import client as api_client
from ansible_collections.community.honeycomb.plugins.module_utils._api import resources
from ansible_collections.community.honeycomb.plugins.module_utils._environments import plan as environments
from simulator import Simulator, api, records

JSONAPI = "application/vnd.api+json"
OWN = Path(simulator.__file__).with_name("api.yaml")
PUBLISHED = os.environ.get("PUBLISHED_API_DESCRIPTION")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# {operation: the status of its success}
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


@functools.cache
def load(path: str | Path) -> OpenApiSchema:
    return schemathesis.openapi.from_path(str(path))


@pytest.fixture(
    name="description",
    params=[pytest.param(OWN, id="own"), *([pytest.param(PUBLISHED, id="published")] if PUBLISHED else [])],
)
def fixture_description(request: pytest.FixtureRequest) -> OpenApiSchema:
    return load(request.param)


def fill_in(sim: Simulator, case: schemathesis.Case[Any]) -> None:
    """Point generated requests at things that exist: a made-up id or team would only ever be a 404."""
    operation = case.operation.definition.raw["operationId"]
    target = None
    for name, value in (case.path_parameters or {}).items():
        if name.startswith("team"):
            case.path_parameters[name] = sim.team
        elif len(str(value)) % 4:
            if "ApiKey" in operation:
                key_type = "configuration" if len(str(case.body)) % 2 else "ingest"
                target = sim.add_key(key_type=key_type).id
            else:
                new_name = f"place {len(sim.environments)} of {sim.now().timestamp()}"
                target = sim.add_environment(new_name, delete_protected=bool(len(str(value)) % 2))["id"]
            case.path_parameters[name] = target
    data: Any = case.body.get("data") if isinstance(case.body, dict) else None
    if not isinstance(data, dict):
        return
    if target and isinstance(data.get("id"), str):
        data["id"] = target
    with contextlib.suppress(KeyError, TypeError):  # bodies that have no such place
        data["relationships"]["environment"]["data"]["id"] = sim.environments[0]["id"]


# With a rate limit, one operation of each kind is enough.
CASES = [
    *(pytest.param(name, None, id=name) for name in OPERATIONS),
    *(
        pytest.param(name, retry_after, id=f"{name}-limited")
        for name, retry_after in (
            ("getAuth", "http-date"),
            ("listApiKeys", "rfc3339"),
            ("createEnvironment", "seconds"),
        )
    ),
]


@pytest.mark.parametrize(("operation", "retry_after"), CASES)
def test_answers_are_as_described(description: OpenApiSchema, operation: str, retry_after: str | None) -> None:
    seen = set()
    limit = (10, 3600) if retry_after else None
    with Simulator(rate_limit=limit, retry_after=retry_after or "http-date") as sim:
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
        def run(case: schemathesis.Case[Any]) -> None:
            fill_in(sim, case)
            response = case.call_and_validate(base_url=sim.url, headers=headers, checks=CHECKS)
            seen.add(response.status_code)
            # Optional in the description, but the simulator sends them whenever it counts.
            if limit:
                assert {"ratelimit", "ratelimitpolicy"} <= set(response.headers)

        run()
    # Without a success among them the answers would have said little.
    assert OPERATIONS[operation] in seen
    assert (429 in seen) == bool(limit)


def provocations(sim: Simulator, operation: str, path: str) -> dict[int, dict[str, Any]]:
    """The requests that the service refuses: ``{status of the refusal: arguments of the request}``."""
    wrong_keys = {"Authorization": "Bearer hcxmk_nobody:nothing", "X-Honeycomb-Team": "nothing"}
    requests: dict[int, dict[str, Any]] = {401: {"headers": wrong_keys}}
    if "{team}" in path:
        without_scopes = "Bearer {}:{}".format(*sim.add_management_key(()))
        requests[403] = {"headers": {"Authorization": without_scopes}}
        requests[404] = {"team": "another-team"}
    if operation.startswith("list"):
        requests[422] = {"params": {"page[size]": "0"}}
    if operation.startswith(("create", "update")):
        requests[400] = {"data": b"{"}
        requests[413] = {"data": b" " * (api.MAX_BODY + 1)}
        requests[415] = {"data": b"{}", "headers": {"Content-Type": "application/json"}}
        requests[422] = {"data": b"{}"}
    if operation == "createEnvironment":
        taken = {"type": "environments", "attributes": {"name": sim.environments[0]["name"]}}
        requests[409] = {"json": {"data": taken}}
    if operation == "deleteEnvironment":
        requests[409] = {}  # environments are protected from the start
    return requests


@pytest.mark.parametrize("operation", OPERATIONS)
def test_refusals_are_as_described(sim: Simulator, client: Callable[..., Any], operation: str) -> None:
    """Provoke every refusal that is described, and no others."""
    described = load(OWN).find_operation_by_id(operation)
    item = sim.add_key().id if "ApiKey" in operation else sim.environments[0]["id"]

    def send(status: int, team: str = sim.team, headers: dict[str, str] | None = None, **arguments: Any) -> None:
        case = described.Case(path_parameters={"team": team, "id": item})
        headers = {"Content-Type": JSONAPI, **(headers or {})}
        response = client(case.method, case.formatted_path, headers=headers, **arguments)
        assert response.status_code == status
        case.validate_response(response, checks=CHECKS)

    requests = provocations(sim, operation, described.path)
    for status, arguments in requests.items():
        send(status, **arguments)
    sim.rate_limit = (0, 60)
    send(429, headers={"X-Honeycomb-Team": sim.add_key().value})
    refusals = {int(status) for status in described.definition.raw["responses"]} - {OPERATIONS[operation], 500}
    assert {*requests, 429} == refusals


@pytest.fixture(name="facts", scope="module")
def fixture_facts() -> dict[str, Any]:
    facts: dict[str, Any] = yaml.safe_load(OWN.read_text())
    return facts


def test_operations_are_those_described(facts: dict[str, Any], sim: Simulator) -> None:
    """The client's names, methods and scopes, and the simulator's with their paths."""
    described = {}
    for path, item in facts["paths"].items():
        for method in item.keys() - {"parameters"}:
            ((scheme, scopes),) = item[method]["security"][0].items()
            assert (scheme == "managementKey") == path.startswith("/2/")
            scope = scopes[0] if scopes else None
            described[item[method]["operationId"]] = (
                method.upper(),
                path.replace("{", "<").replace("}", ">"),
                scope,
            )
    assert described.keys() == OPERATIONS.keys()

    called = [value for value in vars(api_client).values() if isinstance(value, api_client.Operation)]
    assert {operation.name: (operation.method, operation.scope) for operation in called} == {
        name: (method, scope) for name, (method, _path, scope) in described.items()
    }
    imitated = api.Api(sim._store, sim._limits, True).operations
    assert {name: (operation.method, operation.path, operation.scope) for name, operation in imitated.items()} == {
        name: what for name, what in described.items() if name != "getAuth"
    }


def test_limits_are_those_described(facts: dict[str, Any]) -> None:
    """The client's constants, and the simulator's."""
    schemas = facts["components"]["schemas"]
    page_size = facts["components"]["parameters"]["PageSize"]["schema"]
    described = {
        "key types": schemas["KeyType"]["enum"],
        "ingest permissions": schemas["IngestPermission"]["enum"],
        "configuration permissions": schemas["ConfigurationPermission"]["enum"],
        "colors": schemas["Color"]["enum"],
        "page size": page_size["maximum"],
    }
    assert described == {
        "key types": list(resources.KEY_TYPES),
        "ingest permissions": list(resources.INGEST_PERMISSIONS),
        "configuration permissions": list(resources.PERMISSIONS),
        "colors": list(resources.COLORS),
        "page size": api_client._PAGE_SIZE,
    }
    assert described == {
        "key types": list(records.KEY_TYPES),
        "ingest permissions": list(records.INGEST_PERMISSIONS),
        "configuration permissions": list(records.CONFIGURATION_PERMISSIONS),
        "colors": list(records.COLORS),
        "page size": api.MAX_PAGE,
    }
    assert page_size["default"] == api.DEFAULT_PAGE
    assert list(api.V1Auth.ACCESS) == schemas["Access"]["enum"]
    assert schemas["KeyName"]["maxLength"] == resources.NAME_LENGTH
    assert schemas["EnvironmentName"]["maxLength"] == environments.NAME_LENGTH
    assert schemas["EnvironmentDescription"]["maxLength"] == environments.DESCRIPTION_LENGTH
