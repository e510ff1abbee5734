# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rotation decides from a listing and a clock."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ansible_collections.community.honeycomb.plugins.module_utils._api.resources import ApiKey
from ansible_collections.community.honeycomb.plugins.module_utils._errors import InputError
from ansible_collections.community.honeycomb.plugins.module_utils._keys.generations import Marks
from ansible_collections.community.honeycomb.plugins.module_utils._rotation.decisions import (
    Assessment,
    Policy,
    assess,
    plan_restore,
    plan_retire,
)

NOW = datetime(2026, 2, 1, tzinfo=timezone.utc)
MARKS = Marks()
POLICY = Policy()
OFF = "[retired 20260131T000000Z off]"
STALE = "[stale 20260131T120000Z off]"


def state_of(base: str, *keys: tuple[str, str, bool], policy: Policy = POLICY) -> Assessment:
    """What is decided about keys given as (id, name, disabled)."""
    moment = "2026-01-01T00:00:00Z"
    listing = [
        ApiKey(key_id, name, "ingest", "env", disabled, created_at=moment, updated_at=moment)
        for key_id, name, disabled in keys
    ]
    return assess(base, listing, NOW, policy, MARKS)


# Names without a mark that look as if they had one
@pytest.mark.parametrize("base", ["checkout", "checkout [restored team]", "checkout [stale team]"])
def test_a_key_that_was_enabled_by_hand_is_said_to_be_so_and_can_be_restored(base: Any) -> None:
    state = state_of(base, ("k1", base, False), ("k0", f"{base} {OFF}", False))

    assert state.findings == (
        f"k0 ({base} {OFF}) was enabled by hand and stays enabled until you retire it: find out who still uses it.",
    )
    plan = plan_restore(state, NOW, MARKS)
    assert plan
    assert plan.changes == {"name": f"{base} [restored 20260201T000000Z]", "disabled": False}


@pytest.mark.parametrize("base", ["checkout", "checkout [restored team]"])
def test_a_key_that_was_restored_is_not_restored_again(base: Any) -> None:
    state = state_of(base, ("k1", base, False), ("k0", f"{base} [restored 20260131T000000Z]", False))

    assert "was restored and stays enabled" in state.findings[0]
    assert plan_restore(state, NOW, MARKS) is None


def test_a_restored_key_that_somebody_disabled_can_be_restored_again() -> None:
    state = state_of("checkout", ("k1", "checkout", False), ("k0", "checkout [restored 20260131T000000Z]", True))

    assert "somebody disabled it later" in state.findings[0]
    plan = plan_restore(state, NOW, MARKS)
    assert plan
    assert plan.after
    assert not plan.after.disabled


def test_restore_takes_the_newest_that_was_in_use() -> None:
    state = state_of(
        "checkout",
        ("k3", "checkout", False),
        ("k2", f"checkout {STALE}", True),
        ("k1", f"checkout {OFF}", True),
        ("k0", "checkout [retired 20260130T000000Z off]", True),
    )

    plan = plan_restore(state, NOW, MARKS)
    assert plan
    assert plan.key
    assert plan.key.id == "k1"
    plan = plan_restore(state, NOW, MARKS, "k0")
    assert plan
    assert plan.key
    assert plan.key.id == "k0"


@pytest.mark.parametrize(
    ("key_id", "told"),
    [
        ("k2", "k2 can't be restored: it is stale, which means that it is left over from a run that did not finish"),
        ("k3", "k3 can't be restored: it is not a retired generation of 'checkout'"),
        ("k9", "k9 can't be restored: it is not a retired generation of 'checkout'"),
    ],
)
def test_restore_says_why_not_and_what_can_be_restored(key_id: Any, told: Any) -> None:
    state = state_of(
        "checkout", ("k3", "checkout", False), ("k2", f"checkout {STALE}", True), ("k1", f"checkout {OFF}", True)
    )

    with pytest.raises(InputError) as caught:
        plan_restore(state, NOW, MARKS, key_id)

    assert caught.value.message.startswith(told)
    assert "Nothing was changed." in caught.value.message
    assert f"These can be restored: k1 (checkout {OFF})." in caught.value.message


def test_without_a_retired_generation_there_is_nothing_to_restore() -> None:
    state = state_of("checkout", ("k1", "checkout", False), ("k0", f"checkout {STALE}", True))

    with pytest.raises(InputError, match="there is no retired generation of 'checkout' to restore"):
        plan_restore(state, NOW, MARKS)


def test_a_name_without_an_enabled_key_is_told_what_can_come_back() -> None:
    state = state_of("checkout", ("k1", f"checkout {OFF}", True), ("k0", f"checkout {STALE}", True))
    assert f"Bring one of its generations back with restore (k1 (checkout {OFF})), create it" in str(state.blocked)

    state = state_of("checkout", ("k0", f"checkout {STALE}", True))
    assert "restore" not in str(state.blocked)


def test_what_is_restored_is_only_retired_where_a_current_key_exists() -> None:
    state = state_of("checkout", ("k0", "checkout [restored 20260131T000000Z]", False))

    with pytest.raises(InputError, match="there is no enabled current key called 'checkout'"):
        plan_retire(state, NOW, MARKS)


def test_only_deletions_look_once_more() -> None:
    state = state_of(
        "checkout",
        ("k3", "checkout", False),
        ("k2", "checkout [retired 20260131T000000Z]", False),
        ("k1", "checkout [retired 20260101T000000Z off]", True),
        policy=Policy(overlap=timedelta(hours=1)),
    )

    assert {(step.action, step.guarded) for step in state.steps} == {("update", False), ("delete", True)}


def test_nothing_is_disabled_while_a_rotation_is_unfinished() -> None:
    """A host that could not be reached may still use the retired key; the run that finishes puts it away."""
    keys = [("k2", "checkout", False), ("k1", "checkout [retired 20260130T000000Z]", False)]
    state = state_of("checkout", *keys)
    assert [step.why for step in state.steps] == ["its overlap is over"]

    state = state_of("checkout", *keys, ("k3", "checkout [pending]", False))
    assert state.due
    assert [(step.key and step.key.id, step.changes) for step in state.steps] == [
        ("k3", {"name": "checkout [stale 20260201T000000Z]"})
    ]


def test_a_leftover_that_a_host_may_have_stays_until_a_younger_key_is_the_current_one() -> None:
    """The ids tell the order here: all keys are of one second."""
    left = ("k3", "checkout [stale 20260130T000000Z]", False)
    state = state_of("checkout", ("k2", "checkout", False), left)
    assert (state.due, state.reason, state.steps) == (True, "an earlier rotation did not finish", ())

    state = state_of("checkout", ("k4", "checkout", False), left)
    assert not state.due
    assert [step.changes for step in state.steps] == [
        {"name": "checkout [stale 20260201T000000Z off]", "disabled": True}
    ]
