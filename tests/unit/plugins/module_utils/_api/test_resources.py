# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.community.honeycomb.plugins.module_utils._api.resources import (
    PERMISSIONS,
    ApiKey,
    CreatedKey,
    Environment,
    UnexpectedShape,
    describe_key,
    full_permissions,
    read_created_key,
    read_environment,
    read_key,
)

KEY: dict[str, Any] = {
    "id": "hcaik_1",
    "type": "api-keys",
    "attributes": {
        "name": "a",
        "key_type": "ingest",
        "disabled": True,
        "permissions": {"create_datasets": True},
        "secret": "shh",
        "timestamps": {"created": "2026-02-11T08:15:00Z", "updated": "2026-02-12T08:15:00Z"},
    },
    "relationships": {"environment": {"data": {"id": "hcaen_1", "type": "environments"}}},
}


def test_read_key() -> None:
    assert read_key(KEY) == ApiKey(
        id="hcaik_1",
        name="a",
        key_type="ingest",
        environment_id="hcaen_1",
        disabled=True,
        permissions={"create_datasets": True},
        created_at="2026-02-11T08:15:00Z",
        updated_at="2026-02-12T08:15:00Z",
    )


@pytest.mark.parametrize(
    ("key_id", "key_type", "value"),
    # The type decides, not the prefix of the id.
    [("hcaik_1", "ingest", "hcaik_1shh"), ("hcblk_1", "configuration", "shh"), ("hczik_1", "configuration", "shh")],
)
def test_the_value_of_an_application_differs_by_type(key_id: Any, key_type: Any, value: Any) -> None:
    data = {**KEY, "id": key_id, "attributes": {**KEY["attributes"], "key_type": key_type}}
    created = read_created_key(data)
    assert isinstance(created, CreatedKey)
    assert created.as_result() == {"name": "a", "id": key_id, "key": value, "secret": "shh"}
    assert "shh" not in repr(created)
    assert "shh" not in str(describe_key(created.key, {}))


@pytest.mark.parametrize("missing", ["id", "key_type", "environment", "secret"])
def test_what_is_needed(missing: Any) -> None:
    attributes = {name: value for name, value in KEY["attributes"].items() if name != missing}
    data = {**KEY, "attributes": attributes}
    data.pop(missing, None)
    if missing == "environment":
        data["relationships"] = {}
    with pytest.raises(UnexpectedShape, match=missing):
        read_created_key(data)


def test_permissions_in_full() -> None:
    ingest = read_key(KEY)
    assert full_permissions(ingest) == {"create_datasets": True}
    configuration = ApiKey("x", "x", "configuration", "e", False, {"run_queries": True, "added_since": True})
    assert full_permissions(configuration) == {
        **dict.fromkeys(PERMISSIONS, False),
        "run_queries": True,
        "added_since": True,
    }


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "attributes",
                    "name",
                    "key_type",
                    "relationships",
                    "environment",
                    "data",
                    "permissions",
                    "timestamps",
                    "created",
                    "slug",
                    "settings",
                    "time_to_live",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(
    st.sampled_from(
        ["id", "name", "key_type", "disabled", "permissions", "timestamps", "relationships", "time_to_live"]
    ),
    junk,
)
def test_a_key_with_something_odd_is_read_or_refused(name: Any, value: Any) -> None:
    data = {**KEY, "attributes": {**KEY["attributes"]}}
    (data if name in data else data["attributes"])[name] = value
    try:
        key = read_key(data)
    except UnexpectedShape:
        return
    assert all(isinstance(text, str) for text in (key.id, key.name, key.key_type, key.environment_id))
    assert all(text is None or isinstance(text, str) for text in (key.created_at, key.updated_at, key.time_to_live))
    assert key.order


@given(junk)
def test_anything_is_read_or_refused(data: Any) -> None:
    for read in (read_key, read_created_key, read_environment):
        try:
            read(data)
        except UnexpectedShape:
            pass


def test_read_environment() -> None:
    data = {
        "id": "hcaen_1",
        "attributes": {
            "name": "Prod",
            "slug": "prod",
            "color": "blue",
            "description": "d",
            "settings": {"delete_protected": True},
        },
    }
    assert read_environment(data) == Environment("hcaen_1", "Prod", "prod", "d", "blue", True)
    assert read_environment({"id": "x", "attributes": {"name": "n", "slug": 5}}) == Environment(
        "x", "n", description=""
    )
