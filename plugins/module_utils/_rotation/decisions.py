# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rotation's decisions, pure: a listing, a clock and a policy in; generations, findings and next steps out.

A rotated key is one logical key, C(name) within type and environment. Its generations are told apart by their names, so
that nothing has to be remembered between runs:

=========  ===========================  =========================================================================
kind       name                         meaning
=========  ===========================  =========================================================================
current    C(NAME)                      what consumers use
pending    C(NAME [pending])            being rolled out; disabled until its value is stored
retired    C(NAME [retired TIME])       replaced at TIME, still enabled during the overlap
off        C(NAME [retired TIME off])   disabled at TIME, kept for the grace period, then deleted
restored   C(NAME [restored TIME])      brought back by an operator; left alone from then on
=========  ===========================  =========================================================================

What was never the current key, because its run did not finish, is marked C(stale) instead of C(retired). It goes the same
way, but is not what C(restore) brings back.

The rules that keep applications alive:

* a retired generation is disabled only where an enabled current one exists and no rotation is unfinished;
* only what carries the mark, is disabled, and has been so for the grace period, is deleted;
* an enabled generation whose mark says it is off was enabled by hand: it counts as restored.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta

from .._api.resources import ApiKey
from .._errors import InputError
from .._keys.generations import Generation, Marks, generations_of
from .._time import describe_seconds, parse_timestamp


@dataclass(frozen=True)
class Policy:
    """When to rotate, and how long to wait in between."""

    max_age: timedelta = timedelta(days=90)
    overlap: timedelta = timedelta(0)
    grace: timedelta = timedelta(hours=48)
    lock_time: timedelta = timedelta(hours=1)
    force: bool = False


@dataclass(frozen=True)
class Step:
    """A change to one key: C(update) with attributes, or C(delete). C(why) is for people."""

    action: str
    key: ApiKey
    changes: dict[str, t.Any]
    why: str


@dataclass(frozen=True)
class Assessment:
    """What there is and what comes next, for one logical key.

    :param blocked: Why nothing may be done; nothing is written then.
    :param steps: What is due now, without a new key.
    :param due: Whether a new key is to be created, and C(reason) why or why not.
    :param upcoming: What comes later: (time, text), soonest first.
    :param findings: What a person should know.
    """

    base: str
    generations: tuple[Generation, ...]
    blocked: str | None = None
    steps: tuple[Step, ...] = ()
    due: bool = False
    reason: str = ""
    upcoming: tuple[tuple[datetime, str], ...] = ()
    findings: tuple[str, ...] = ()

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


def assess(base: str, listing: t.Iterable[ApiKey], now: datetime, policy: Policy, marks: Marks) -> Assessment:
    """Decide what comes next for one logical key. Pure: the same input gives the same answer."""
    generations = generations_of(base, listing, marks)
    state = Assessment(base, generations)
    blocked = _why_blocked(state, now, policy)
    if blocked:
        return Assessment(base, generations, blocked=blocked, reason=blocked, findings=_findings(state, marks))
    resumed = _resume(state, now, marks)
    if resumed:
        return Assessment(
            base,
            generations,
            steps=(resumed,),
            reason="an earlier run had deployed the new key and did not finish",
            findings=_findings(state, marks),
        )
    due, reason = _why_due(state, now, policy)
    steps = _clean_up(state, now, marks)
    upcoming = []
    current = state.current
    if current is not None and not any(entry.enabled for entry in state.unfinished):
        retire_steps, upcoming = _retire(state, now, policy, marks)
        steps += retire_steps
        created = parse_timestamp(current.key.created_at)
        if created and not due:
            upcoming.append((created + policy.max_age, "create a new key"))
    return Assessment(
        base,
        generations,
        steps=tuple(steps),
        due=due,
        reason=reason,
        upcoming=tuple(sorted(upcoming)),
        findings=_findings(state, marks),
    )


def _why_blocked(state: Assessment, now: datetime, policy: Policy) -> str | None:
    """What forbids every step."""
    current = state.of("current")
    if len(current) > 1:
        ids = ", ".join(str(entry.key.id) for entry in current)
        return f"{len(current)} keys are called {state.base!r}: {ids}. Rename or delete all but the one in use."
    for entry in state.unfinished:
        created = parse_timestamp(entry.key.created_at)
        if created is None or now - created < policy.lock_time:
            age = describe_seconds(max(0.0, (now - created).total_seconds())) if created else "an unknown time"
            return (
                f"another run seems to be rotating {state.base!r}: it created key {entry.key.id} {age} ago. Wait for it; if it "
                "died, run again after lock_time, or at once with lock_time 0s."
            )
    if current and not current[0].enabled:
        return (
            f"key {current[0].key.id}, called {state.base!r}, is disabled, which a rotation never does to a current key. Enable "
            "it, or, if nobody is to use it, take it off the rotation."
        )
    if not current and not any(entry.enabled for entry in state.generations):
        gone = ", ".join(f"{entry.key.id} ({entry.key.name})" for entry in state.generations)
        return (
            f"there is no enabled key called {state.base!r}. "
            + (f"Of its generations there are: {gone}; bring one back with restore. " if gone else "")
            + "Create it with honeycomb_api_key, or correct name, key_type and environment."
        )
    return None


def _resume(state: Assessment, now: datetime, marks: Marks) -> Step | None:
    """The second rename of a promotion whose first one was done: there is no current key, because it was just retired."""
    ready = [entry for entry in state.unfinished if entry.enabled]
    if state.of("current") or len(ready) != 1:
        return None
    created = parse_timestamp(ready[0].key.created_at)
    replaced = [
        entry for entry in state.of("retired") if not entry.stale and created and entry.since and entry.since >= created
    ]
    if not replaced:
        return None
    return Step("update", ready[0].key, {"name": state.base}, "finish the promotion of an earlier run")


def _why_due(state: Assessment, now: datetime, policy: Policy) -> tuple[bool, str]:
    current = state.current
    if current is None:
        return True, "there is no current key any more"
    if any(entry.enabled for entry in state.unfinished):
        return True, "an earlier rotation was not finished"
    if policy.force:
        return True, "forced"
    created = parse_timestamp(current.key.created_at)
    if created is None:
        return False, "its age is not known"
    age = now - created
    told = f"{describe_seconds(max(0.0, age.total_seconds()))} old, of at most {describe_seconds(policy.max_age.total_seconds())}"
    return age >= policy.max_age, told


def _clean_up(state: Assessment, now: datetime, marks: Marks) -> list[Step]:
    """Leftovers of runs that died before their key went live: nobody can be using them."""
    return [
        shelve(state.base, entry.key, now, marks, "a leftover of a run that did not finish; never enabled")
        for entry in state.unfinished
        if not entry.enabled
    ]


def shelve(base: str, key: ApiKey, now: datetime, marks: Marks, why: str) -> Step:
    """Mark a key as disabled by the rotation, and make it so. Its grace period begins now."""
    return Step("update", key, {"name": marks.off_name(base, key, now), "disabled": True}, why)


def _retire(
    state: Assessment, now: datetime, policy: Policy, marks: Marks
) -> tuple[list[Step], list[tuple[datetime, str]]]:
    """What is due for replaced generations, and what will be."""
    steps: list[Step] = []
    upcoming: list[tuple[datetime, str]] = []
    for entry in state.of("retired"):
        ends = (entry.since or now) + policy.overlap
        if now >= ends:
            steps.append(shelve(state.base, entry.key, now, marks, "its overlap is over"))
        else:
            upcoming.append((ends, f"disable {entry.key.id}"))
    for entry in state.of("off"):
        ends = (entry.since or now) + policy.grace
        if now >= ends:
            steps.append(Step("delete", entry.key, {}, "its grace period is over"))
        else:
            upcoming.append((ends, f"delete {entry.key.id}"))
    return steps, upcoming


def _findings(state: Assessment, marks: Marks) -> tuple[str, ...]:
    found = []
    for entry in state.of("restored"):
        how = (
            "was restored"
            if entry.key.name.endswith("]") and f"[{marks.restored} " in entry.key.name
            else "was enabled by hand"
        )
        found.append(
            f"{entry.key.id} ({entry.key.name}) {how} and stays enabled until you retire it: find out who still uses it."
        )
    return tuple(found)


def plan_promotion(
    base: str, new_id: str, old_id: str | None, found: t.Mapping[str, ApiKey | None], now: datetime, marks: Marks
) -> list[Step]:
    """The renames that make a deployed key the current one, in an order in which each interruption can be told.

    :param found: What there is now, by id: the new key, the one it replaces, and leftovers.
    :raises InputError: Somebody changed what this rotation works on; nothing may be renamed.
    """
    new = found.get(new_id)
    if new is None:
        raise InputError(
            f"key {new_id}, the new one, was deleted meanwhile. The old key is unchanged; run the rotation again."
        )
    if new.name == base and not new.disabled:
        return []
    if new.name != marks.pending_name(base) or new.disabled:
        raise InputError(
            f"key {new_id}, the new one, was changed by somebody else meanwhile: it is called {new.name!r} and is "
            f"{'disabled' if new.disabled else 'enabled'}. The old key is unchanged; run the rotation again."
        )
    old = found.get(old_id) if old_id else None
    steps: list[Step] = []
    for key in found.values():
        if key is not None and key.id not in (new_id, old_id) and key.name == marks.pending_name(base):
            name = marks.off_name(base, key, now) if key.disabled else marks.retired_name(base, key, now)
            steps.append(Step("update", key, {"name": name}, "a leftover of a run that did not finish"))
    if old is not None:
        if old.name == base:
            steps.append(Step("update", old, {"name": marks.retired_name(base, old, now)}, f"replaced by {new_id}"))
        elif not (generation := marks.read(base, old)) or generation.kind not in ("retired", "off"):
            raise InputError(
                f"key {old.id}, which {new_id} replaces, was renamed to {old.name!r} meanwhile. Nothing was promoted; "
                "run the rotation again."
            )
        else:
            raise InputError(
                f"{base!r} was rotated by another run meanwhile. Nothing was promoted; run the rotation again."
            )
    steps.append(Step("update", new, {"name": base}, "deployed and verified"))
    return steps


def plan_restore(state: Assessment, now: datetime, marks: Marks, key_id: str | None = None) -> Step | None:
    """Bring a replaced generation back at once: the newest, or the one named. C(None): it is back already.

    :raises InputError: There is none.
    """
    candidates = [entry for entry in state.generations if entry.kind in ("off", "retired", "restored")]
    # Unless it is asked for by its id, what never was the current key is of no use to a forgotten consumer.
    candidates = [entry for entry in candidates if (entry.key.id == key_id if key_id else not entry.stale)]
    if not candidates:
        there = ", ".join(f"{entry.key.id} ({entry.key.name})" for entry in state.generations) or "none"
        raise InputError(
            f"there is no retired generation of {state.base!r} to restore; its generations are: {there}. A deleted key can't "
            "come back: rotate with force, so that every consumer gets a new one."
        )
    newest = max(candidates, key=lambda entry: (entry.since or now, entry.key.order))
    name = marks.restored_name(state.base, now)
    if newest.kind == "restored" and f"[{marks.restored} " in newest.key.name and newest.enabled:
        return None
    return Step("update", newest.key, {"name": name, "disabled": False}, "restored")


def plan_retire(state: Assessment, now: datetime, marks: Marks) -> list[Step]:
    """Let go of restored generations: their overlap, then their grace period, begins now."""
    if state.current is None or not state.current.enabled:
        raise InputError(
            f"there is no enabled current key called {state.base!r}: nothing that is restored may be retired."
        )
    return [
        Step("update", entry.key, {"name": marks.retired_name(state.base, entry.key, now)}, "let go by an operator")
        for entry in state.of("restored")
        if entry.enabled
    ]


def lost_race(
    base: str, own: ApiKey, old_id: str | None, before: t.Collection[str], listing: t.Iterable[ApiKey], marks: Marks
) -> str | None:
    """After staging: whether another run was first. The listing has to be younger than the second C(own) was created in.

    :param before: Ids that were there before; a pending key among them is a leftover, not a competitor.
    :returns: Why this run has to stop, or C(None).
    """
    generations = generations_of(base, listing, marks)
    for entry in generations:
        if entry.kind == "pending" and entry.key.id not in before and entry.key.order < own.order:
            return f"another run was a moment faster: it created key {entry.key.id}"
    current = [entry.key.id for entry in generations if entry.kind == "current"]
    if current != ([old_id] if old_id else []):
        return f"another run was faster: {base!r} is now key {', '.join(map(str, current)) or 'in transition'}"
    return None
