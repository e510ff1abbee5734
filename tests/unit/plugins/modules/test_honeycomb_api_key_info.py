# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module honeycomb_api_key_info against the simulator."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from simulator import Simulator

MODULE = "honeycomb_api_key_info"


@pytest.fixture
def info(call_module: Callable[..., Any]) -> Any:
    def call(*, check: Any = False, env: Any = None, **args: Any) -> Any:
        return call_module(MODULE, args, check=check, env=env)

    return call


@pytest.fixture
def keys(sim: Simulator) -> dict[str, Any]:
    """Three keys of different type, place, state and age, the youngest first."""
    now = sim.now()
    return {
        "young": sim.add_key("young", "ingest", "production", created=now - timedelta(hours=11)),
        "old": sim.add_key(
            "old",
            "configuration",
            "production",
            created=now - timedelta(days=90, minutes=1),
            permissions={"run_queries": True},
        ),
        "ancient": sim.add_key("ancient", "ingest", "staging", disabled=True, created=now - timedelta(days=400)),
    }


def names(result: Any) -> list[Any]:
    return [key["name"] for key in result["api_keys"]]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["ancient", "old", "young"]),
        ({"name": "old"}, ["old"]),
        ({"name": "Old"}, []),
        ({"key_type": "ingest"}, ["ancient", "young"]),
        ({"key_type": "configuration"}, ["old"]),
        ({"environment": "production"}, ["old", "young"]),
        ({"environment": "Staging"}, ["ancient"]),
        ({"status": "enabled"}, ["old", "young"]),
        ({"status": "disabled"}, ["ancient"]),
        ({"older_than": "12h"}, ["ancient", "old"]),
        ({"older_than": "90d"}, ["ancient", "old"]),
        ({"older_than": "91d"}, ["ancient"]),
        ({"older_than": "52w"}, ["ancient"]),
        ({"older_than": "1000d"}, []),
        ({"older_than": "0s"}, ["ancient", "old", "young"]),
        ({"status": "enabled", "older_than": "12h", "environment": "production", "key_type": "ingest"}, []),
        ({"status": "enabled", "older_than": "12h", "environment": "production"}, ["old"]),
    ],
)
def test_filters(
    sim: Simulator, info: Any, keys: Any, leaks: Callable[..., list[str]], filters: Any, expected: Any
) -> None:
    for check in (True, False):
        result = info(check=check, **filters)
        assert names(result) == expected
        assert not result["changed"]
        assert result["summary"]["total"] == len(expected)
        assert not leaks(sim, result.output)
    assert {request.method for request in sim.requests} == {"GET"}


def test_by_id_other_filters_apply_too(sim: Simulator, info: Any, keys: Any) -> None:
    key_id = keys["old"].id
    assert names(info(id=key_id)) == ["old"]
    assert names(info(id=key_id, name="old", key_type="configuration", status="enabled")) == ["old"]
    for other in (
        {"name": "x"},
        {"key_type": "ingest"},
        {"status": "disabled"},
        {"environment": "staging"},
        {"older_than": "99d"},
    ):
        assert names(info(id=key_id, **other)) == []
    assert names(info(id="hcxlk_" + "0" * 26)) == []
    assert names(info(id="../environments")) == []


def test_what_is_said_of_a_key(sim: Simulator, info: Any, keys: Any) -> None:
    (described,) = info(id=keys["old"].id)["api_keys"]
    place = sim.environments[0]
    assert described["environment"] == {name: place[name] for name in ("id", "name", "slug")}
    assert described["age_days"] == 90
    assert {name for name, granted in described["permissions"].items() if granted} == {"run_queries"}
    assert (described["id"], described["disabled"]) == (keys["old"].id, False)
    assert described["created_at"] == keys["old"].created.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert set(described) == {
        "id",
        "name",
        "key_type",
        "environment",
        "disabled",
        "permissions",
        "created_at",
        "updated_at",
        "age_days",
    }


def test_age_goes_by_the_clock_of_the_service(sim: Simulator, info: Any) -> None:
    sim.add_key("a", "ingest", "production")
    sim.advance(10 * 86400 + 5)
    assert info(older_than="10d")["api_keys"][0]["age_days"] == 10
    assert not info(older_than="11d")["api_keys"]


def test_all_pages_and_summary(sim: Simulator, info: Any) -> None:
    sim.add_keys(250, environment="production")
    sim.add_keys(7, key_type="configuration", environment="staging", disabled=True)
    result = info()
    assert len({key["id"] for key in result["api_keys"]}) == 257
    assert result["summary"] == {
        "total": 257,
        "enabled": 250,
        "disabled": 7,
        "by_environment": {"production": 250, "staging": 7},
        "by_type": {"configuration": 7, "ingest": 250},
    }
    pages = [request for request in sim.requests if request.operation == "listApiKeys"]
    assert [page.query["page[size]"] for page in pages] == ["100"] * 3
    assert len({request.connection for request in sim.requests}) == 1


@pytest.mark.parametrize("count", [100, 200])
def test_full_last_page(sim: Simulator, info: Any, count: Any) -> None:
    sim.add_keys(count)
    assert info()["summary"]["total"] == count


def test_empty_team(info: Any) -> None:
    result = info()
    assert result["api_keys"] == []
    assert result["summary"] == {"total": 0, "enabled": 0, "disabled": 0, "by_environment": {}, "by_type": {}}


def test_without_environments_read(sim: Simulator, info: Any, keys: Any) -> None:
    env = sim.environment_variables(sim.add_management_key(["api-keys:read"]))
    place = sim.environments[0]
    result = info(env=env)
    assert names(result) == ["ancient", "old", "young"]
    assert result["summary"]["by_environment"][place["id"]] == 2
    assert result["api_keys"][1]["environment"] == {"id": place["id"], "name": None, "slug": None}
    assert names(info(env=env, environment=place["id"])) == ["old", "young"]
    failed = info(env=env, environment="production")
    assert failed["failed"] and "environments:read" in failed["msg"]


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"older_than": "90"}, ["older_than", "'90'", "90d"]),
        ({"older_than": "three months"}, ["older_than", "three months"]),
        ({"older_than": "-1d"}, ["older_than"]),
        ({"older_than": "1.5d"}, ["older_than"]),
        ({"older_than": "99999999999w"}, ["older_than"]),
        # An empty filter, of a variable that was not set, must not pass for none.
        ({"older_than": ""}, ["older_than", "empty"]),
        ({"id": ""}, ["id", "empty"]),
        ({"name": ""}, ["name", "empty"]),
        ({"environment": ""}, ["environment", "empty"]),
        ({"environment": "nowhere"}, ["environment", "'nowhere'", "production, staging"]),
        ({"status": "off"}, ["status", "enabled, disabled"]),
        ({"key_type": "management"}, ["key_type", "ingest, configuration"]),
    ],
)
def test_bad_filters(info: Any, filters: Any, words: Any) -> None:
    result = info(**filters)
    assert result["failed"]
    assert all(word in result["msg"] for word in words), result["msg"]
