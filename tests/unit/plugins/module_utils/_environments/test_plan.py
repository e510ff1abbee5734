# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pure decisions about environments."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.community.honeycomb.plugins.module_utils._api.resources import ApiKey, Environment
from ansible_collections.community.honeycomb.plugins.module_utils._environments.plan import (
    WantedEnvironment,
    changes_for,
    check_wanted_environment,
    find_wanted,
    plan_environment,
    project_environment,
    with_changes,
)
from ansible_collections.community.honeycomb.plugins.module_utils._errors import InputError

PRODUCTION = Environment("hcxen_1", "Production", "production", "What customers see", "green", True)
STAGING = Environment("hcxen_2", "Staging", "staging", "", "blue", False)
KEYS = [ApiKey(f"hcxik_{number}", f"key {number}", "ingest", "hcxen_1", False) for number in range(12)]

descriptions = st.none() | st.text(max_size=5)
colors = st.none() | st.sampled_from(["blue", "green", "lightRed"])
flags = st.none() | st.booleans()
environments = st.builds(
    Environment,
    st.just("hcxen_1"),
    st.just("Load"),
    st.just("load"),
    st.text(max_size=5),
    st.sampled_from(["blue", "green", "lightRed"]),
    st.booleans(),
)
wishes = st.builds(
    WantedEnvironment,
    st.just("present"),
    name=st.just("Load"),
    description=descriptions,
    color=colors,
    delete_protected=flags,
)


@given(wishes, environments)
def test_an_update_is_what_differs_and_no_more(wanted: Any, found: Any) -> None:
    plan = plan_environment(wanted, [found] if found else [])
    # What was asked for is so afterwards, and everything else is as before.
    for name in ("description", "color", "delete_protected"):
        want = getattr(wanted, name)
        assert getattr(plan.after, name) == (getattr(found, name) if want is None else want)
    assert (plan.after.id, plan.after.name, plan.after.slug) == (found.id, found.name, found.slug)
    assert plan.changed == (plan.after != found)
    assert with_changes(found, plan.changes) == plan.after
    # Once it is so, there is nothing left to do.
    assert not changes_for(wanted, plan.after)
    assert not plan_environment(wanted, [plan.after]).changed


@given(wishes)
def test_a_new_environment_is_as_wanted(wanted: Any) -> None:
    plan = plan_environment(wanted, [])
    assert (plan.action, plan.environment, plan.after.name) == ("create", None, "Load")
    assert not changes_for(dataclasses.replace(wanted, delete_protected=None), plan.after)
    # Protection can't be asked for at creation.
    assert set(plan.changes) <= {"name", "description", "color"}
    assert plan.after.delete_protected is (wanted.delete_protected is not False)


@pytest.mark.parametrize("protected", [True, False])
@pytest.mark.parametrize("unprotect", [True, False])
@pytest.mark.parametrize("delete_keys", [True, False])
@pytest.mark.parametrize("count", [0, 1, 12])
def test_deleting_needs_a_word_for_protection_and_one_for_keys(
    protected: Any, unprotect: Any, delete_keys: Any, count: Any
) -> None:
    found = dataclasses.replace(PRODUCTION, delete_protected=protected)
    wanted = WantedEnvironment("absent", name="production", unprotect=unprotect, delete_keys=delete_keys)
    keys = KEYS[:count]
    if (protected and not unprotect) or (count and not delete_keys):
        with pytest.raises(InputError) as refusal:
            plan_environment(wanted, [found], keys)
        text = refusal.value.message
        assert "production (hcxen_1)" in text and "Nothing was changed" in text
        assert ("unprotect=true" in text) == (protected and not unprotect)
        assert ("delete_keys=true" in text) == bool(count and not delete_keys)
        if count and not delete_keys:
            assert "key 0 (hcxik_0)" in text
            assert ("and 2 more" in text) == (count == 12)
    else:
        plan = plan_environment(wanted, [found], keys)
        assert (plan.action, plan.unprotect, plan.keys, plan.after) == ("delete", protected, tuple(keys), None)


def test_absent_already() -> None:
    plan = plan_environment(WantedEnvironment("absent", name="x"), [])
    assert (plan.changed, plan.environment, plan.after) == (False, None, None)


@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize("name", ["production", "Production"])
def test_its_own_name_or_slug_may_stand_beside_the_id(state: Any, name: Any) -> None:
    found = dataclasses.replace(PRODUCTION, delete_protected=False)
    assert plan_environment(WantedEnvironment(state, id="hcxen_1", name=name), [found]).environment == found


@pytest.mark.parametrize("state", ["present", "absent"])
def test_no_renaming(state: Any) -> None:
    wanted = WantedEnvironment(state, id="hcxen_1", name="Live", unprotect=True, delete_keys=True)
    with pytest.raises(InputError, match="'Production'.*name of an environment can't be changed"):
        plan_environment(wanted, [PRODUCTION])


def test_a_classic_environment_keeps_its_color() -> None:
    classic = dataclasses.replace(PRODUCTION, color="classic")
    with pytest.raises(InputError, match="color.*classic"):
        plan_environment(WantedEnvironment("present", name="production", color="red"), [classic])
    assert plan_environment(WantedEnvironment("present", name="production", description="Old"), [classic]).changes == {
        "description": "Old"
    }


def test_unknown_id_is_not_created() -> None:
    with pytest.raises(InputError, match="no environment hcxen_9"):
        plan_environment(WantedEnvironment("present", id="hcxen_9", name="New"), [])


def test_finding() -> None:
    both = [PRODUCTION, STAGING]
    assert find_wanted(WantedEnvironment("present", id="hcxen_2", name="Production"), both) == STAGING
    assert find_wanted(WantedEnvironment("present", name="Production"), both) == PRODUCTION
    assert find_wanted(WantedEnvironment("present", name="staging"), both) == STAGING
    assert find_wanted(WantedEnvironment("present", name="STAGING"), both) is None
    odd = Environment("hcxen_3", "staging", "staging-2")
    with pytest.raises(InputError, match=r"hcxen_2.*hcxen_3"):
        find_wanted(WantedEnvironment("present", name="staging"), [*both, odd])


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({}, "name"),
        ({"name": " "}, "name"),
        ({"name": "x" * 256}, "256 characters"),
        ({"name": "x", "description": "x" * 256}, "description.*256 characters"),
        ({"id": ""}, "id"),
        ({"id": "../environments"}, "id"),
    ],
)
def test_refused_before_any_request(wish: Any, words: Any) -> None:
    with pytest.raises(InputError, match=words) as refusal:
        check_wanted_environment(WantedEnvironment("present", **wish))
    assert len(refusal.value.message) < 250


@pytest.mark.parametrize("wish", [{"name": "x" * 255, "description": "x" * 255}, {"id": "hcaen_01", "description": ""}])
def test_at_the_limit(wish: Any) -> None:
    check_wanted_environment(WantedEnvironment("present", **wish))


def test_projection_shows_what_goes() -> None:
    assert project_environment(None, KEYS) == {}
    assert "api_keys" not in project_environment(PRODUCTION)
    assert project_environment(PRODUCTION, KEYS[:1]) == {
        "name": "Production",
        "description": "What customers see",
        "color": "green",
        "delete_protected": True,
        "api_keys": ["key 0 (hcxik_0)"],
    }


@pytest.mark.parametrize("name", ["STAGING", "Staging".swapcase(), "stagING"])
def test_a_name_that_differs_only_by_case_is_refused_and_the_other_is_named(name: Any) -> None:
    with pytest.raises(InputError, match="differs only in case.*'Staging', slug 'staging' \\(hcxen_2\\)"):
        plan_environment(WantedEnvironment("present", name=name), [PRODUCTION, STAGING])
    # There is nothing of this name to delete, and nothing that looks like it is deleted instead.
    assert not plan_environment(WantedEnvironment("absent", name=name), [PRODUCTION, STAGING]).changed


@pytest.mark.parametrize("name", [" Load", "Load ", "Load\n", "\tLoad"])
def test_a_name_with_outer_blanks_is_refused(name: Any) -> None:
    with pytest.raises(InputError, match="begins or ends with a blank"):
        check_wanted_environment(WantedEnvironment("present", name=name))
