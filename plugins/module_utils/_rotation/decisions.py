# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""The rotation's decisions, pure: a listing, a clock and a policy in; generations, findings and next steps out.

A rotated key is one logical key, a name within type and environment. Its generations are told apart by their names, so
that nothing has to be remembered between runs:

=========  ============================  ==========================================================================
kind       name                          meaning
=========  ============================  ==========================================================================
current    ``NAME``                      what consumers use
pending    ``NAME [pending]``            being rolled out; disabled until its value is stored
retired    ``NAME [retired TIME]``       replaced at TIME, still enabled during the overlap
off        ``NAME [retired TIME off]``   disabled at TIME, kept for the grace period, then deleted
restored   ``NAME [restored TIME]``      brought back by an operator; left alone from then on
=========  ============================  ==========================================================================

A key whose run did not finish never was the current one. It is marked ``stale`` instead of ``retired``, and ``restore``
does not bring it back. What may have reached a consumer stays enabled until a younger key is the current one, which
every consumer has; then it goes the same way as the others.

The rules that keep applications alive:

* a retired generation is disabled only where an enabled current one exists and no rotation is unfinished;
* only what carries the mark, is disabled, and has been so for the grace period, is deleted;
* an enabled generation whose mark says it is off was enabled by hand: it counts as restored.

What blocks a key and what an :class:`InputError` says go on after the key's label and a colon: see ``Job.about``.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from .._api.resources import ApiKey, full_permissions
from .._errors import InputError
from .._keys.generations import LEFT_OVER, Generation, Marks, generations_of, let_go, shelve
from .._keys.plan import Plan, delete_plan, update_plan
from .._time import describe_seconds, format_timestamp, parse_timestamp
from .age import Schedule, pause_after, schedule_of


@dataclass(frozen=True)
class Policy:
    """When to rotate, and how long to wait in between.

    :param max_age: When a key has to be disabled, counted from its creation.
    :param lead: How much earlier its rotation is to be done, for nights that fail.
    :param force: Rotate it now, whatever its age is.
    :param by_hand: A person names this key, and does not wait for a window or a pause.
    """

    max_age: timedelta = timedelta(days=90)
    lead: timedelta = timedelta(days=3)
    overlap: timedelta = timedelta(0)
    grace: timedelta = timedelta(hours=48)
    lock_time: timedelta = timedelta(hours=1)
    force: bool = False
    by_hand: bool = False


@dataclass(frozen=True)
class Stored:
    """What the store of one key holds, as far as a rotation has to know.

    :param place: Where, for messages.
    :param live_id: The key whose value is live, where that is known.
    :param pending_id: The key whose value is in the pending slot.
    :param trouble: Why the store can't be used. Nothing may be done about this key then.
    """

    place: str = ""
    live_id: str | None = None
    pending_id: str | None = None
    trouble: str | None = None


@dataclass(frozen=True)
class Assessment:
    """What there is and what comes next, for one logical key.

    :param blocked: Why nothing may be done; nothing is written then.
    :param steps: What is due now, without a new key.
    :param due: Whether a new key is to be created, and ``reason`` why or why not.
    :param urgent: It is due for another reason than its age, and does not wait for others.
    :param paused: Why a key that is due is not tried again yet: earlier tries failed.
    :param schedule: When its age makes it due, where that is known.
    :param upcoming: What comes later: (time, text), soonest first.
    :param findings: What a person should know.
    :param continues: A pending generation of an earlier run whose value is in the store, so that no other is needed.
    """

    base: str
    generations: tuple[Generation, ...]
    blocked: str | None = None
    steps: tuple[Plan, ...] = ()
    due: bool = False
    reason: str = ""
    urgent: bool = False
    paused: str | None = None
    schedule: Schedule | None = None
    upcoming: tuple[tuple[datetime, str], ...] = ()
    findings: tuple[str, ...] = ()
    continues: Generation | None = None

    def of(self, kind: str) -> list[Generation]:
        return [generation for generation in self.generations if generation.kind == kind]

    @property
    def current(self) -> Generation | None:
        found = self.of("current")
        return found[0] if len(found) == 1 else None

    @property
    def unfinished(self) -> list[Generation]:
        """Pending generations of runs that did not finish."""
        return self.of("pending")

    @property
    def left_over(self) -> list[Generation]:
        """What runs gave up that consumers may use: stale, enabled, and no younger key has become the current one."""
        current = self.current
        return [
            entry
            for entry in self.of("retired")
            if entry.stale and (current is None or entry.key.order > current.key.order)
        ]


def assess(
    base: str,
    listing: t.Iterable[ApiKey],
    now: datetime,
    policy: Policy,
    marks: Marks,
    stored: Stored | None = None,
) -> Assessment:
    """Decide what comes next for one logical key. Pure: the same input gives the same answer.

    :param stored: What its store holds; ``None`` without a store, or where it was not looked at.
    """
    generations = generations_of(base, listing, marks)
    state = Assessment(base, generations, continues=_at_home(generations, stored))
    state = replace(state, findings=_findings(state))
    if stored and stored.trouble:
        return replace(state, blocked=stored.trouble, reason=stored.trouble)
    blocked = _why_blocked(state, now, policy)
    if blocked:
        return replace(state, blocked=blocked, reason=blocked)
    resumed = _resume(state)
    if resumed:
        return replace(state, steps=(resumed,), reason="an earlier run deployed the new key, but did not finish")
    state = replace(state, schedule=_schedule(state, policy))
    state = replace(state, paused=_why_paused(state, now, policy))
    due, reason, urgent = _why_due(state, now, policy)
    steps = _clean_up(state, now, marks)
    upcoming: list[tuple[datetime, str]] = []
    current = state.current
    if current is not None and not any(entry.enabled for entry in state.unfinished):
        retire_steps, upcoming, held_up = _retire(state, now, policy, marks, stored or Stored())
        state = replace(state, findings=(*state.findings, *held_up))
        steps += retire_steps
        if state.schedule and not due:
            upcoming.append((max(state.schedule.begins, _paused_until(state) or now), "create a new key"))
    return replace(state, steps=tuple(steps), due=due, reason=reason, urgent=urgent, upcoming=tuple(sorted(upcoming)))


def _at_home(generations: t.Iterable[Generation], stored: Stored | None) -> Generation | None:
    """The pending generation whose value is in the store."""
    pending_id = stored.pending_id if stored else None
    return next((entry for entry in generations if entry.kind == "pending" and entry.key.id == pending_id), None)


def _named(entries: t.Iterable[Generation]) -> str:
    """Generations in a message."""
    return ", ".join(f"{entry.key.id} ({entry.key.name})" for entry in entries) or "none"


def _why_blocked(state: Assessment, now: datetime, policy: Policy) -> str | None:
    """What forbids every step."""
    current = state.of("current")
    if len(current) > 1:
        ids = ", ".join(str(entry.key.id) for entry in current)
        return f"{len(current)} keys are called {state.base!r}: {ids}. Rename or delete all but the one in use."
    # Where the value of a pending key is stored, two runs may go on with it: they do the same.
    for entry in state.unfinished if state.continues is None else ():
        created = parse_timestamp(entry.key.created_at)
        if created is None or now - created < policy.lock_time:
            age = describe_seconds(max(0.0, (now - created).total_seconds())) if created else "an unknown time"
            return (
                f"another run seems to be rotating {state.base!r}: it created key {entry.key.id} {age} ago. Wait for "
                "it to finish. If it died, rerun after lock_time, or at once with lock_time 0s."
            )
    if current and not current[0].enabled:
        return (
            f"key {current[0].key.id}, called {state.base!r}, is disabled, which a rotation never does to a current "
            "key. Enable it, or remove it from the rotation if nothing should use it."
        )
    if not any(entry.enabled for entry in state.generations):
        back = [entry for entry in state.generations if _restorable(entry)]
        restore = f"Bring one of its generations back with restore ({_named(back)}), create" if back else "Create"
        return (
            f"there is no enabled key called {state.base!r}. {restore} it with honeycomb_api_key, or correct name, "
            "key_type and environment."
        )
    return None


def _resume(state: Assessment) -> Plan | None:
    """The second rename of a promotion that stopped after its first: the current key is already retired."""
    ready = [entry for entry in state.unfinished if entry.enabled]
    if state.of("current") or len(ready) != 1:
        return None
    created = parse_timestamp(ready[0].key.created_at)
    replaced = [
        entry for entry in state.of("retired") if not entry.stale and created and entry.since and entry.since >= created
    ]
    if not replaced:
        return None
    return update_plan(ready[0].key, {"name": state.base}, why="finish the promotion of an earlier run")


def _schedule(state: Assessment, policy: Policy) -> Schedule | None:
    """When the age of the current key makes it due; ``None`` where its age is not known."""
    key = state.current.key if state.current else None
    created = parse_timestamp(key.created_at) if key else None
    if key is None or created is None:
        return None
    return schedule_of(
        created,
        parse_timestamp(key.time_to_live),
        max_age=policy.max_age,
        overlap=policy.overlap,
        lead=policy.lead,
        identity=(str(key.environment_id), str(key.key_type), state.base),
    )


def _paused_until(state: Assessment) -> datetime | None:
    """When the next scheduled try may be, after tries that left enabled keys behind."""
    given_up = [entry.marked for entry in state.left_over if entry.marked]
    return pause_after(len(given_up), max(given_up)) if given_up else None


def _why_paused(state: Assessment, now: datetime, policy: Policy) -> str | None:
    until = _paused_until(state)
    if until is None or now >= until or policy.by_hand or policy.force or state.continues:
        return None
    return (
        f"{len(state.left_over)} rotations failed and left enabled keys behind that a host may have. The next try is "
        f"after {format_timestamp(until)}, or at once where api_key_rotation_only names this key."
    )


def _why_due(state: Assessment, now: datetime, policy: Policy) -> tuple[bool, str, bool]:
    """Whether it is due, why or why not, and whether that can't wait for others."""
    current = state.current
    if current is None:
        return True, "there is no current key", True
    if state.continues is not None:
        return True, f"an earlier rotation did not finish; it goes on with its key {state.continues.key.id}", True
    if policy.force:
        return True, "forced", True
    if state.paused:
        return False, state.paused, False
    if state.left_over or any(entry.enabled for entry in state.unfinished):
        return True, "an earlier rotation did not finish", policy.by_hand
    created = parse_timestamp(current.key.created_at)
    if created is None or state.schedule is None:
        return False, "its age is unknown", False
    so_far = describe_seconds(max(0.0, (now - created).total_seconds()))
    if state.schedule.deadline < created + policy.max_age:
        limit = f"its time to live ends at {format_timestamp(state.schedule.deadline)}"
    else:
        limit = f"the maximum is {describe_seconds(policy.max_age.total_seconds())}"
    return now >= state.schedule.begins, f"{so_far} old; {limit}", policy.by_hand


def _clean_up(state: Assessment, now: datetime, marks: Marks) -> list[Plan]:
    """Leftovers of runs that died. Nobody can be using those that never were enabled."""
    return [
        let_go(state.base, entry, now, marks, LEFT_OVER)
        if entry.enabled
        else shelve(state.base, entry, now, marks, f"{LEFT_OVER}; never enabled")
        for entry in state.unfinished
        if entry != state.continues
    ]


def _retire(
    state: Assessment, now: datetime, policy: Policy, marks: Marks, stored: Stored
) -> tuple[list[Plan], list[tuple[datetime, str]], list[str]]:
    """What is due for replaced generations, what will be, and what stands in the way."""
    steps: list[Plan] = []
    upcoming: list[tuple[datetime, str]] = []
    held_up: list[str] = []
    for entry in state.of("retired"):
        if entry in state.left_over:
            continue
        ends = (entry.since or now) + policy.overlap
        if now >= ends and entry.key.id == stored.live_id:
            held_up.append(
                f"{_named([entry])} stays enabled, although its overlap is over: {stored.place} still holds its value. "
                "Store the value of the current key there, or rotate with force."
            )
        elif now >= ends:
            steps.append(shelve(state.base, entry, now, marks, "its overlap is over"))
        else:
            upcoming.append((ends, f"disable {entry.key.id}"))
    for entry in state.of("off"):
        ends = (entry.since or now) + policy.grace
        if now >= ends:
            steps.append(delete_plan(entry.key, why="its grace period is over", guarded=True))
        else:
            upcoming.append((ends, f"delete {entry.key.id}"))
    return steps, upcoming, held_up


def _findings(state: Assessment) -> tuple[str, ...]:
    return tuple(f"{_named([entry])} {_restored(entry)}" for entry in state.of("restored"))


def _restored(entry: Generation) -> str:
    if not entry.enabled:
        return "was restored, and somebody disabled it later: restore it again, or delete it."
    how = "was restored" if entry.mark == "restored" else "was enabled by hand"
    return f"{how} and stays enabled until you retire it: find out who still uses it."


def successor(state: Assessment, marks: Marks, now: datetime) -> ApiKey:
    """The next key as it is created: pending, disabled, and with the permissions of the one in use.

    Where that one has a time to live, the next one lives as long, from now on.
    """
    source = (state.current or state.generations[-1]).key
    created, ends = parse_timestamp(source.created_at), parse_timestamp(source.time_to_live)
    return ApiKey(
        id=None,
        name=marks.pending_name(state.base),
        key_type=source.key_type,
        environment_id=source.environment_id,
        disabled=True,
        permissions={name: True for name, granted in full_permissions(source).items() if granted},
        time_to_live=format_timestamp(now + (ends - created)) if created and ends else None,
    )


def not_granted(asked: ApiKey, created: ApiKey) -> list[str]:
    """The permissions that a key was to have and does not."""
    granted = full_permissions(created)
    return sorted(name for name, wanted in asked.permissions.items() if wanted and not granted.get(name))


def still_pending(base: str, new_id: str, new: ApiKey | None, marks: Marks) -> ApiKey:
    """The new key, as it was left: pending and enabled.

    :raises InputError: Somebody changed it.
    """
    if new is None:
        raise InputError(
            f"its new key {new_id} was deleted by somebody during the rotation. The old key is unchanged, but hosts "
            "that already have the new value are being refused: rerun the rotation now."
        )
    if new.name != marks.pending_name(base) or new.disabled:
        raise InputError(
            f"its new key {new_id} was changed by somebody during the rotation: it is now called {new.name!r} and is "
            f"{'disabled' if new.disabled else 'enabled'}. The old key is unchanged; rerun the rotation."
        )
    return new


def plan_promotion(
    base: str, new_id: str, old_id: str | None, found: t.Mapping[str, ApiKey | None], now: datetime, marks: Marks
) -> list[Plan]:
    """The renames that make a deployed key the current one, in an order that lets a rerun see where this one stopped.

    :param found: What there is now, by id: the new key, the one it replaces, and leftovers.
    :raises InputError: Somebody changed what this rotation works on; nothing may be renamed.
    """
    new = found.get(new_id)
    if new is not None and new.name == base and not new.disabled:
        return []
    new = still_pending(base, new_id, new, marks)
    generations = {key_id: marks.read(base, key) for key_id, key in found.items() if key}
    plans: list[Plan] = []
    for key_id, entry in generations.items():
        if key_id in (new_id, old_id) or entry is None:
            continue
        # No consumer uses them from now on: their overlap begins.
        if entry.enabled and (entry.kind == "pending" or (entry.kind == "retired" and entry.stale)):
            plans.append(let_go(base, entry, now, marks, LEFT_OVER))
        elif entry.kind == "pending":
            plans.append(update_plan(entry.key, {"name": marks.off_name(base, entry, now)}, why=LEFT_OVER))
    old_key = found.get(old_id) if old_id else None
    if old_key is not None:
        old = generations[str(old_id)]
        if old and old.kind in ("retired", "off"):
            raise InputError("another run rotated it in the meantime. Nothing was promoted; rerun the rotation.")
        if not old or old.kind != "current":
            raise InputError(
                f"its old key {old_id} was renamed to {old_key.name!r} by somebody during the rotation. Nothing was "
                "promoted; rerun the rotation."
            )
        plans.append(update_plan(old_key, {"name": marks.retired_name(base, old, now)}, why=f"replaced by {new_id}"))
    plans.append(update_plan(new, {"name": base}, why="deployed and verified"))
    return plans


def _restorable(entry: Generation) -> bool:
    """Whether it can be what a forgotten consumer uses: it was the current key once, and was replaced."""
    return entry.kind in ("off", "retired", "restored") and not entry.stale


def plan_restore(state: Assessment, now: datetime, marks: Marks, key_id: str | None = None) -> Plan | None:
    """Bring a replaced generation back at once: the newest, or the one named. ``None``: it is back already.

    :raises InputError: There is none, or the one named is not to come back.
    """
    candidates = [entry for entry in state.generations if _restorable(entry)]
    chosen = [_choose(state, candidates, key_id)] if key_id else candidates
    if not chosen:
        raise InputError(
            f"there is no retired generation of {state.base!r} to restore. Its generations are: "
            f"{_named(state.generations)}. A deleted key can't come back: rotate with force, so that every consumer "
            "gets a new one."
        )
    newest = max(chosen, key=lambda entry: (entry.marked or now, entry.key.order))
    if newest.mark == "restored" and newest.enabled:
        return None
    return update_plan(newest.key, {"name": marks.restored_name(state.base, now), "disabled": False}, why="restored")


def _choose(state: Assessment, candidates: t.Sequence[Generation], key_id: str) -> Generation:
    """The generation that a person wants back by its id."""
    for entry in candidates:
        if entry.key.id == key_id:
            return entry
    others = f"These can be restored: {_named(candidates)}."
    if any(entry.stale for entry in state.generations if entry.key.id == key_id):
        raise InputError(
            f"{key_id} can't be restored: it is stale, which means that it is {LEFT_OVER} and never was the current "
            f"key. Nothing was changed. {others} An application that uses {key_id} needs the current value; until it "
            "has that, enable this key by its id with honeycomb_api_key."
        )
    raise InputError(
        f"{key_id} can't be restored: it is not a retired generation of {state.base!r}. Nothing was changed. {others}"
    )


def plan_retire(state: Assessment, now: datetime, marks: Marks) -> list[Plan]:
    """Let go of restored generations: their overlap, then their grace period, begins now."""
    if state.current is None or not state.current.enabled:
        raise InputError(
            f"there is no enabled current key called {state.base!r}, so its restored generations can't be retired. "
            "Rotate the key first."
        )
    return [
        update_plan(entry.key, {"name": marks.retired_name(state.base, entry, now)}, why="released by an operator")
        for entry in state.of("restored")
        if entry.enabled
    ]
