# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Placeholders in a store dictionary: filled in, and never a way to another place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.community.honeycomb.plugins.module_utils._errors import InputError
from ansible_collections.community.honeycomb.plugins.module_utils._stores.options import OPTIONS, complete
from ansible_collections.community.honeycomb.plugins.module_utils._stores.places import PLACEHOLDERS, fill

VALUES: dict[str, str | None] = {"name": "checkout", "environment": "production", "key_type": "ingest"}


def filled(path: str, **values: str | None) -> str:
    found = fill(complete({"type": "file", "path": path}), {**VALUES, **values}, "store")["path"]
    assert isinstance(found, str)
    return found


def test_each_placeholder_is_filled_in() -> None:
    assert filled("/keys/{environment}/{key_type}/{name}.key") == "/keys/production/ingest/checkout.key"
    assert filled("/{name}/{name}") == "/checkout/checkout"
    assert filled("/plain") == "/plain"


def test_whatever_text_may_hold_one_does() -> None:
    kinds: dict[str, dict[str, Any]] = {
        "hashi_vault": {"path": "a", "url": "https://vault"},
        "aws_secretsmanager": {"secret_id": "a"},
        "kubernetes": {"namespace": "a", "secret": "b", "field": "c"},
        "command": {"write": ["x"]},
    }
    for kind, least in kinds.items():
        for name, option in OPTIONS.items():
            if kind not in option.types or option.choices or option.kind not in ("str", "list"):
                continue
            template: Any = ["put", "--to={name}"] if option.kind == "list" else "a-{name}"
            found = fill(complete({"type": kind, **least, name: template}), VALUES, "store")[name]
            expected = ["put", "--to=checkout"] if option.kind == "list" else "a-checkout"
            assert found == (expected if option.template else template)


@pytest.mark.parametrize("word", ["nam", "Name", "my-name", "name ", "0", "", "environment.slug"])
def test_what_is_no_placeholder_is_refused(word: str) -> None:
    """Taken as it is, it would lead all keys to one place, or to one that nobody expects."""
    with pytest.raises(InputError) as caught:
        filled(f"/keys/{{{word}}}")
    assert caught.value.message == (
        f"store.path: there is no placeholder {{{word}}}. There are: {{name}}, {{environment}}, {{key_type}}."
    )


def test_arguments_of_a_program_may_hold_anything() -> None:
    write = ["jq", "{value: .}", "{}", "{name}", "{other}"]
    assert fill(complete({"type": "command", "write": write}), VALUES, "store")["write"] == [
        "jq",
        "{value: .}",
        "{}",
        "checkout",
        "{other}",
    ]


def test_an_environment_that_is_not_known() -> None:
    assert filled("/{name}", environment=None) == "/checkout"
    with pytest.raises(InputError) as caught:
        filled("/{environment}", environment=None)
    assert "The management key needs the scope environments:read" in caught.value.message


@pytest.mark.parametrize("name", ["a/b", "../a", "/etc/passwd", "a\\b", ".", "..", "a\nb", "a\0b", "a\x7fb"])
def test_a_name_leads_nowhere_else(name: str) -> None:
    for path in ("/keys/{name}", "/keys/x-{name}.key"):
        with pytest.raises(InputError) as caught:
            filled(path, name=name)
        assert caught.value.message.startswith(f"store.path: the name {name!r} can't be part of a place")
    assert filled("/keys/fixed", name=name) == "/keys/fixed"


@given(name=st.text(min_size=1, max_size=20), template=st.sampled_from(["/keys/{name}", "/keys/{environment}-{name}"]))
def test_a_place_has_as_many_parts_as_its_template(name: str, template: str) -> None:
    try:
        found = filled(template, name=name)
    except InputError:
        return
    assert found.count("/") == template.count("/")
    assert ".." not in found.split("/")
    # What a name holds is not filled in again.
    assert found.endswith(name)


def test_a_name_with_braces_is_only_a_name() -> None:
    assert filled("/{name}", name="{environment}") == "/{environment}"


def test_every_placeholder_is_known() -> None:
    assert set(PLACEHOLDERS) == set(VALUES)
