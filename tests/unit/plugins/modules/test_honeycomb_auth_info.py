# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module honeycomb_auth_info against the simulator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from simulator import Simulator

MODULE = "honeycomb_auth_info"
NOTHING = {"id": None, "key_type": None, "team": None, "environment": None, "access": None}


@pytest.fixture
def auth(call_module: Callable[..., Any]) -> Any:
    def call(*, check: Any = False, env: Any = None, **args: Any) -> Any:
        return call_module(MODULE, args, check=check, env=env)

    return call


@pytest.mark.parametrize("check", [True, False])
def test_management_key(sim: Simulator, auth: Any, leaks: Callable[..., list[str]], check: Any) -> None:
    management = sim.add_management_key(["api-keys:read"], name="reader")
    result = auth(env=sim.environment_variables(management), check=check)
    assert result["management_key"] == {"id": management[0], "name": "reader", "scopes": ["api-keys:read"]}
    assert result["team"]["slug"] == sim.team
    assert set(result["team"]) == {"id", "name", "slug"}
    assert not result["changed"]
    assert not leaks(sim, result.output)


@pytest.mark.parametrize("key_type", ["ingest", "configuration"])
def test_valid_value(sim: Simulator, auth: Any, leaks: Callable[..., list[str]], key_type: Any) -> None:
    key = sim.add_key("app", key_type, "staging", permissions={"create_datasets": True})
    # It needs no management key, so that it can run where the application runs.
    result = auth(key=key.value, env={"HONEYCOMB_API_ENDPOINT": sim.url})
    assert (result["valid"], result["key_type"], result["changed"]) == (True, key_type, False)
    assert result["environment"] == {"name": "Staging", "slug": "staging"}
    assert result["team"]["slug"] == sim.team
    assert result["access"]["createDatasets"] is True
    if key_type == "ingest":
        assert result["id"] == key.id
    assert not leaks(sim, result.output)
    assert [request.path for request in sim.requests] == ["/1/auth"]


@pytest.mark.parametrize("key_type", ["ingest", "configuration"])
def test_refused_value_is_an_answer(sim: Simulator, auth: Any, leaks: Callable[..., list[str]], key_type: Any) -> None:
    disabled = sim.add_key("off", key_type, "staging", disabled=True)
    wrong = disabled.secret if key_type == "ingest" else disabled.id + disabled.secret
    for value in (disabled.value, wrong, "nonsense", "%00", "\"'{}"):
        result = auth(key=value)
        assert {name: result[name] for name in NOTHING} == NOTHING
        assert (result["valid"], result["changed"]) == (False, False)
        assert not leaks(sim, result.output)
    assert len(sim.requests) == 5


@pytest.mark.parametrize("value", ["", "abc\n", " abc", "a b", "caf\u00e9", "a\r\nX-Honeycomb-Team: b"])
def test_value_that_can_not_be_one(sim: Simulator, auth: Any, value: Any) -> None:
    result = auth(key=value)
    assert result["failed"]
    assert result["msg"].startswith("key: ")
    assert value.strip() == "" or value not in result["msg"]
    assert not sim.requests


@pytest.mark.parametrize("effect", ["html", "redirect"])
def test_answers_of_something_else_are_no_verdict(
    sim: Simulator, auth: Any, effect: Any, leaks: Callable[..., list[str]]
) -> None:
    sim.fail("getAuth", effect, times=None)
    key = sim.add_key("app")
    result = auth(key=key.value)
    assert result["failed"]
    assert sim.url in result["msg"]
    assert not leaks(sim, result.output)


def test_html_with_401_is_no_verdict(sim: Simulator, auth: Any) -> None:
    sim.fail("getAuth", "status", status=401, shape="html", times=None)
    result = auth(key=sim.add_key("app").value)
    assert result["failed"]
    assert "text/html" in result["msg"]
    assert result["error"]["status"] == 401


def test_refused_management_key(sim: Simulator, auth: Any, leaks: Callable[..., list[str]]) -> None:
    result = auth(management_key_secret="wrong")
    assert result["failed"]
    assert sim.management[0] in result["msg"]
    assert "HONEYCOMB_KEY_SECRET" in result["msg"]
    assert (result["error"]["status"], result["error"]["pointer"]) == (401, "Authorization")
    assert not leaks(sim, result.output)


def test_swapped_id_and_secret_show_neither(sim: Simulator, auth: Any, leaks: Callable[..., list[str]]) -> None:
    key_id, secret = sim.management
    result = auth(management_key_id=secret, management_key_secret=key_id)
    assert result["failed"]
    assert "does not look like an id" in result["msg"]
    assert not leaks(sim, result["msg"])
    joined = auth(management_key_id=f"{key_id}:{secret}")
    assert joined["failed"]
    assert "colon" in joined["msg"]
    assert not leaks(sim, joined["msg"])
