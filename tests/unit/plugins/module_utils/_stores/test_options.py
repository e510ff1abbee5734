# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store dictionary: which store has which option, and what is added to it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.community.honeycomb.plugins.module_utils._errors import InputError
from ansible_collections.community.honeycomb.plugins.module_utils._stores.options import OPTIONS, TYPES, complete

LEAST: dict[str, dict[str, Any]] = {
    "file": {"path": "/a"},
    "ansible_vault": {"path": "/a"},
    "hashi_vault": {"path": "a", "url": "https://vault"},
    "aws_secretsmanager": {"secret_id": "a"},
    "kubernetes": {"namespace": "a", "secret": "b", "field": "c"},
    "command": {},
}
VARIABLES = {variable for option in OPTIONS.values() for variable in option.variables}


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize("kind", TYPES)
def test_a_completed_dictionary_has_every_option_of_its_store(kind: str) -> None:
    found = complete({"type": kind, **LEAST[kind]})
    assert set(found) == {"type", *(name for name, option in OPTIONS.items() if kind in option.types)}
    assert {name: found[name] for name in LEAST[kind]} == LEAST[kind]
    defaults = {name: OPTIONS[name].default for name in found if name != "type" and name not in LEAST[kind]}
    assert {name: found[name] for name in defaults} == defaults


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("empty", [None, ""])
def test_what_a_store_needs_has_to_be_given(kind: str, empty: str | None) -> None:
    for name in LEAST[kind]:
        with pytest.raises(InputError) as caught:
            complete({"type": kind, **LEAST[kind], name: empty}, "api_keys[3]: store")
        message = f"api_keys[3]: store.{name} is missing: a store of type {kind} needs it. Set it there"
        assert caught.value.message.startswith(message)
        for variable in OPTIONS[name].variables[: kind in OPTIONS[name].variables_for]:
            assert f"or in the environment variable {variable}." in caught.value.message


def test_an_option_of_another_store_is_refused() -> None:
    for name, option in OPTIONS.items():
        for kind in TYPES:
            if kind in option.types:
                continue
            with pytest.raises(InputError) as caught:
                complete({"type": kind, **LEAST[kind], name: "x"})
            assert caught.value.message.startswith(f"store.{name}: a store of type {kind} has no such option. It has:")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "store.type: there is no store None. There are: file, ansible_vault,"),
        ({"type": "vault"}, "store.type: there is no store 'vault'."),
        ({"type": "file", "path": "/a", "pth": "/b"}, "store.pth: a store of type file has no such option."),
        (
            {"type": "file", "path": "/a", "format": "toml"},
            "store.format: 'toml' is not one of plain, env,",
        ),
        ({"type": "command", "preset": "gpg"}, "store.preset: 'gpg' is not one of pass, sops, systemd_creds."),
    ],
)
def test_what_can_not_be_is_refused(given: Any, told: str) -> None:
    with pytest.raises(InputError) as caught:
        complete(given)
    assert caught.value.message.startswith(told)


def test_what_the_environment_provides(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first variable that is not empty, where the option is not given."""
    for variable in VARIABLES:
        monkeypatch.setenv(variable, f"from {variable}")
    for kind in TYPES:
        own = {name for name in LEAST[kind] if not OPTIONS[name].variables or kind not in OPTIONS[name].variables_for}
        given = {"type": kind, **{name: LEAST[kind][name] for name in own}}
        found = complete(given)
        for name, option in OPTIONS.items():
            if kind in option.types and option.variables:
                told = f"from {option.variables[0]}"
                assert found[name] == (told if kind in option.variables_for else LEAST[kind][name])
    monkeypatch.setenv("VAULT_ADDR", "")
    assert complete({"type": "hashi_vault", "path": "a"})["url"] == "from BAO_ADDR"
    assert complete({"type": "hashi_vault", "path": "a", "url": "given"})["url"] == "given"


def test_false_is_not_missing() -> None:
    assert complete({"type": "hashi_vault", **LEAST["hashi_vault"], "validate_certs": False})["validate_certs"] is False


def test_what_is_secret_is_known() -> None:
    """Whatever looks like one is one, so that no option is forgotten."""
    secret = {name for name, option in OPTIONS.items() if option.secret}
    assert secret == {"token", "role_secret_id", "jwt"}
    named = {name for name in OPTIONS if name.endswith(("token", "password", "jwt")) or "secret_id" in name}
    assert named - secret == {"secret_id"}, "the name of a secret at AWS is not one"
