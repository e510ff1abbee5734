# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The decisions about one key, which are pure: see the tests of honeycomb_api_key for how they meet the service."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.community.honeycomb.plugins.module_utils._api.resources import (
    PERMISSIONS,
    ApiKey,
    Environment,
    full_permissions,
)
from ansible_collections.community.honeycomb.plugins.module_utils._errors import InputError
from ansible_collections.community.honeycomb.plugins.module_utils._keys.plan import (
    Wanted,
    check_name,
    check_wanted,
    plan_key,
    project,
    refuse_expired,
    unexpected,
)

PROD, STAGING = Environment("hcaen_p", "Prod", "prod"), Environment("hcaen_s", "Staging", "staging")
WANTED = Wanted("present", name="a", key_type="ingest", environment=PROD)
KEY = ApiKey("hcaik_1", "a", "ingest", PROD.id, False)

permissions = st.dictionaries(st.sampled_from(PERMISSIONS), st.booleans(), max_size=5)
keys = st.builds(
    ApiKey,
    id=st.sampled_from(["hcaik_1", "hcaik_2", "hcalk_3"]),
    name=st.sampled_from("ab"),
    key_type=st.sampled_from(["ingest", "configuration"]),
    environment_id=st.sampled_from([PROD.id, STAGING.id]),
    disabled=st.booleans(),
    permissions=permissions,
    time_to_live=st.none() | st.just("2099-01-01T00:00:00Z"),
)
wanteds = st.builds(
    Wanted,
    state=st.sampled_from(["present", "disabled", "absent"]),
    id=st.none() | st.sampled_from(["hcaik_1", "hcaik_2", "hcalk_3", "hcaik_9"]),
    name=st.none() | st.sampled_from("ab"),
    key_type=st.none() | st.sampled_from(["ingest", "configuration"]),
    environment=st.none() | st.sampled_from([PROD, STAGING]),
    permissions=st.none() | permissions,
    purge_permissions=st.booleans(),
    time_to_live=st.none()
    | st.sampled_from(["2099-01-01T00:00:00Z", "2099-01-01T00:00:00.5+00:00", "2098-01-01T00:00:00Z"]),
)


@given(wanteds, st.lists(keys, max_size=3, unique_by=lambda key: key.id))
def test_a_plan_leads_to_what_is_wanted_and_then_to_nothing(wanted: Any, existing: Any) -> None:
    try:
        check_wanted(wanted)
        plan = plan_key(wanted, existing)
    except InputError as exc:
        assert exc.message
        return
    untouched = [key for key in existing if plan.key is None or key.id != plan.key.id]
    assert plan.key is None or plan.key in existing
    if wanted.state == "absent":
        assert plan.after is None
        assert plan.action in ("none", "delete")
        result = untouched
    else:
        assert plan.action in ("none", "create", "update")
        assert plan.after.disabled == (wanted.state == "disabled")
        assert wanted.name in (None, plan.after.name)
        assert wanted.key_type in (None, plan.after.key_type)
        assert wanted.environment is None or wanted.environment.id == plan.after.environment_id
        if wanted.permissions is not None:
            have = full_permissions(plan.after)
            assert all(have.get(name, False) == value for name, value in wanted.permissions.items())
            if wanted.purge_permissions:
                assert {name for name, value in have.items() if value} == {
                    n for n, value in wanted.permissions.items() if value
                }
        if plan.action == "update":
            # What can't be changed is never sent.
            allowed = {"name", "disabled"} | ({"permissions"} if plan.key.key_type == "configuration" else set())
            assert plan.changes and set(plan.changes) <= allowed
            assert replace(plan.key, **{**plan.changes, "permissions": plan.after.permissions}) == plan.after
        result = [*untouched, plan.after if plan.after.id else replace(plan.after, id="hcaik_new")]
    assert (project(plan.key, {}) != project(plan.after, {})) == plan.changed
    assert not plan_key(wanted, result).changed


@given(wanteds, st.lists(keys, max_size=3, unique_by=lambda key: key.id))
def test_other_keys_are_never_meant(wanted: Any, existing: Any) -> None:
    try:
        check_wanted(wanted)
        plan = plan_key(wanted, existing)
    except InputError:
        return
    if plan.key:
        if wanted.id:
            assert plan.key.id == wanted.id
        else:
            meant = (wanted.name, wanted.key_type, wanted.environment.id)
            assert (plan.key.name, plan.key.key_type, plan.key.environment_id) == meant


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"name": ""}, "name"),
        ({"name": "   "}, "name"),
        ({"name": "a" * 101}, "101 characters"),
        ({"name": None}, "Give a name"),
        ({"key_type": None}, "key_type is missing"),
        ({"environment": None}, "environment is missing"),
        ({"id": "a/b"}, "id: 'a/b'"),
        ({"id": ""}, "id: ''"),
        ({"time_to_live": "tomorrow"}, "time_to_live: 'tomorrow'"),
        ({"time_to_live": "2099-01-01T00:00:00Z", "key_type": "configuration"}, "time_to_live: only ingest"),
        ({"permissions": {"fly": True}}, "permissions.fly"),
        ({"permissions": {"send_events": True}}, "permissions.send_events"),
        (
            {"key_type": "configuration", "permissions": {"manage_privateBoards": True, "visible_team_members": True}},
            "exclude",
        ),
    ],
)
def test_what_can_not_be_right(change: Any, word: Any) -> None:
    with pytest.raises(InputError, match=word) as caught:
        check_wanted(replace(WANTED, label="api_keys[3].", **change))
    # In a list, the message says which item is meant.
    assert caught.value.message.startswith("api_keys[3].")


def test_names_count_characters_not_bytes() -> None:
    check_name("\U0001f511" * 100)
    with pytest.raises(InputError, match="101"):
        check_name("\U0001f511" * 101)


def test_ambiguous_names_list_the_ids() -> None:
    twins = [KEY, replace(KEY, id="hcaik_2"), replace(KEY, id="hcaik_3", environment_id=STAGING.id)]
    with pytest.raises(InputError, match="prod are called 'a': hcaik_1, hcaik_2"):
        plan_key(WANTED, twins)
    assert plan_key(replace(WANTED, id="hcaik_2"), twins).key.id == "hcaik_2"


def test_expiry() -> None:
    over = plan_key(replace(WANTED, time_to_live="2026-01-01T00:00:00+01:00"), [])
    refuse_expired(over, datetime(2025, 12, 31, 22, 59, 59, tzinfo=timezone.utc))
    with pytest.raises(InputError, match="time_to_live: 2025-12-31T23:00:00Z"):
        refuse_expired(over, datetime(2025, 12, 31, 23, tzinfo=timezone.utc))
    refuse_expired(
        plan_key(replace(WANTED, time_to_live="2026-01-01T00:00:00Z"), [KEY]), datetime(2030, 1, 1, tzinfo=timezone.utc)
    )
    refuse_expired(plan_key(replace(WANTED, state="absent"), []), datetime(2030, 1, 1, tzinfo=timezone.utc))


def test_unexpected_answers() -> None:
    plan = plan_key(replace(WANTED, permissions={"create_datasets": True}), [])
    asked = replace(KEY, permissions={"create_datasets": True})
    assert unexpected(plan, asked) == []
    assert unexpected(plan, replace(asked, permissions={})) == ["permissions"]
    assert unexpected(plan, replace(asked, name="b", disabled=True)) == ["name", "disabled"]
    assert unexpected(plan, None) == []
