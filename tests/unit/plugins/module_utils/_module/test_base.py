# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules share: credentials and other common options, environments, how a task ends."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.errors import AnsibleFallbackNotFound

from ansible_collections.community.honeycomb.plugins.module_utils._api.resources import PERMISSIONS
from ansible_collections.community.honeycomb.plugins.module_utils._module import base as _module
from ansible_collections.community.honeycomb.plugins.module_utils._module.options import (
    from_environment,
    given_permissions,
    permission_spec,
)
from simulator import Simulator


def test_variables_that_are_empty_are_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HONEYCOMB_FIRST", "")
    monkeypatch.setenv("HONEYCOMB_SECOND", "x")
    assert from_environment("HONEYCOMB_NONE", "HONEYCOMB_FIRST", "HONEYCOMB_SECOND") == "x"
    with pytest.raises(AnsibleFallbackNotFound):
        from_environment("HONEYCOMB_NONE", "HONEYCOMB_FIRST")


def test_given_permissions() -> None:
    option = {
        **dict.fromkeys(permission_spec()),
        "manage_privateBoards": True,
        "manage_private_boards": True,
        "run_queries": False,
    }
    assert given_permissions(option) == {"manage_privateBoards": True, "run_queries": False}
    assert given_permissions(None) is None
    assert given_permissions({}) == {}
    assert set(permission_spec()) == set(PERMISSIONS)


# Common options of every module, shown with the one that only reads


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"management_key_id": ""}, ["management_key_id is missing", "HONEYCOMB_KEY_ID", "module_defaults"]),
        ({"management_key_secret": ""}, ["management_key_secret is missing", "HONEYCOMB_KEY_SECRET"]),
        ({"management_key_id": "hcxmk_a\n"}, ["management_key_id", "Copy it again"]),
        ({"management_key_secret": "a b"}, ["management_key_secret", "Copy it again"]),
        ({"management_key_secret": "\u00e9"}, ["management_key_secret", "Copy it again"]),
        ({"timeout": 0}, ["timeout: 0 is out of range"]),
        ({"timeout": -1}, ["timeout"]),
        ({"timeout": "nan"}, ["timeout"]),
        ({"timeout": "inf"}, ["timeout"]),
        ({"timeout": "soon"}, ["timeout"]),
        ({"max_wait": -1}, ["max_wait: -1 is out of range"]),
        ({"max_wait": 1e9}, ["max_wait"]),
        ({"ca_path": "/nowhere/ca.pem"}, ["ca_path", "/nowhere/ca.pem"]),
        ({"api_url": "http://api.honeycomb.io"}, ["api_url", "https"]),
        ({"api_url": "nonsense"}, ["api_url", "'nonsense'"]),
        ({"validate_certs": "perhaps"}, ["validate_certs"]),
        ({"managment_key_id": "typo"}, ["managment_key_id", "management_key_id"]),
    ],
)
def test_bad_common_options(sim: Simulator, call_module: Callable[..., Any], options: Any, words: Any) -> None:
    result = call_module("honeycomb_api_key_info", options)
    assert result["failed"]
    assert all(word in result["msg"] for word in words), result["msg"]
    assert not sim.requests


def test_missing_credentials(sim: Simulator, call_module: Callable[..., Any]) -> None:
    for module in ("honeycomb_api_key_info", "honeycomb_auth_info"):
        result = call_module(module, {}, env={"HONEYCOMB_API_ENDPOINT": sim.url})
        assert result["msg"].startswith("management_key_id is missing")
    assert not sim.requests


def test_no_wait_is_allowed(sim: Simulator, call_module: Callable[..., Any]) -> None:
    sim.fail("listApiKeys", "close")
    result = call_module("honeycomb_api_key_info", {"max_wait": 0})
    assert "connection broke" in result["msg"] and "max_wait" in result["msg"]
    sim.clear_faults()
    assert call_module("honeycomb_api_key_info", {"max_wait": 0})["api_keys"] == []


def test_missing_requests_is_told(run_module: Callable[..., Any], collections_path: Path, tmp_path: Path) -> None:
    (tmp_path / "without" / "requests").mkdir(parents=True)
    (tmp_path / "without" / "requests" / "__init__.py").write_text("raise ImportError('no requests here')\n")
    path = os.pathsep.join([str(tmp_path / "without"), str(collections_path)])
    result = run_module("honeycomb_auth_info", {}, env={"PYTHONPATH": path})
    assert result["failed"]
    assert "(requests)" in result["msg"]


def test_register_secret_is_there_for_every_core() -> None:
    assert vars(_module)["register_secret"]("x") in ("x", None)


def test_no_form_of_the_secret_is_shown(
    sim: Simulator, call_module: Callable[..., Any], leaks: Callable[..., list[str]]
) -> None:
    """The search itself finds a secret in every form that it promises to find."""
    secret = sim.management[1]
    for offset in ("", "a", "ab"):
        assert leaks(sim, base64.b64encode(f"{offset}{secret}:x".encode()).decode()) == [secret]
    assert leaks(sim, f"x{secret}y") == [secret]
    assert not leaks(sim, secret[:-1])
