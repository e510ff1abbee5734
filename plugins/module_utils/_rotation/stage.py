# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""The new key of each key that is due: created, kept, enabled, accepted. The old one is not touched."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from .._api.resources import ApiKey, CreatedKey
from .._errors import HoneycombError
from .._keys import handover
from .._keys.acceptance import Claim
from .._keys.generations import Generation
from .._keys.handover import Delivery, Order, Run
from .._keys.homes import Home, look
from .._keys.plan import about
from .._keys.values import begins_with_id
from .._stores.store import Slots
from .decisions import not_granted, successor
from .jobs import Case, Job, Staged
from .preview import foresee
from .release import let_go
from .schedule import ANYTIME, Rules, scheduled
from .survey import Changes, Failure, assess_jobs, check_scope, look_up, take_steps


def stage(
    run: Run, jobs: t.Sequence[Job], creating: t.Collection[int] | None = None, rules: Rules = ANYTIME
) -> Changes:
    """Take the steps that are due; then bring a new key of each key that is due to where its value is accepted.

    It is created, disabled and pending, its value goes into the pending slot of its store, it is enabled and accepted,
    and its value becomes the live one of the store. Where the store has the value of a pending key that an earlier run
    has left, that key is used. What goes wrong with one key does not stop the others.

    :param creating: The positions of the keys that may get a new one; ``None`` for all that are due.
    """
    listing = look_up(run, jobs)
    cases = scheduled(assess_jobs(run, jobs, listing), run.now(), rules, creating)
    before = {str(entry.key.id): entry.key for case in cases for entry in case.state.generations}
    chosen = [case.job.position for case in cases if creating is None or case.job.position in creating]
    going_on = any(case.state.due and case.job.position in chosen for case in cases)
    changed = going_on or any(case.state.steps for case in cases)
    paused = [_failure(case.job, about(case.job.label, case.state.paused)) for case in cases if case.state.paused]
    if not changed:
        return Changes(cases, changed, before, before, due=_due(cases, chosen), failures=paused)
    if run.preview:
        check_scope(run)
    taken = take_steps(run, cases, listing)
    found, listing = taken.cases, taken.listing
    cases = [replace(case, state=replace(case.state, steps=done.state.steps)) for case, done in zip(cases, found)]
    begun = [case for case in found if case.state.due and case.job.position in chosen]
    if run.preview:
        after = {key_id: key for key_id, key in ((str(key.id), key) for key in listing) if key_id in before}
        return Changes(cases, changed, before, foresee(run, begun, after), due=_due(cases, chosen), failures=paused)
    _settle(run, found)
    ways, latest, failures = _stage(run, begun, listing)
    live = {str(way.delivery.key.id): way.delivery.key for way in ways}
    after = {str(key.id): key for key in latest if str(key.id) in before} | live
    # A value that the store has is not returned.
    shown = [way.created for way in ways if way.created and way.staged.home is None]
    staged = sorted((way.staged for way in ways), key=lambda entry: entry.position or 0)
    stored = [
        {"name": way.staged.name, **way.staged.home.describe(way.delivery.claim.value, way.delivery.version)}
        for way in ways
        if way.staged.home
    ]
    return Changes(
        cases, True, before, after, staged, shown, stored, _due(found, chosen), [*paused, *taken.failures, *failures]
    )


def _due(cases: t.Sequence[Case], chosen: t.Collection[int]) -> list[int]:
    return [case.job.position for case in cases if case.state.due and case.job.position not in chosen]


def _settle(run: Run, cases: t.Sequence[Case]) -> None:
    """Empty the pending slots of keys that have their names: the run that promoted them died before it did."""
    deliveries = []
    for case in cases:
        current, held = case.state.current, case.slots.pending if case.slots else None
        if current and held and held.key_id == current.key.id:
            claim = Claim(case.job.label, str(held.key_id), case.job.key_type, case.job.environment, held.value)
            deliveries.append(Delivery(case.job.name, claim, current.key, case.job.home))
    handover.settle(run, deliveries)


def _order(run: Run, case: Case) -> Order:
    state = case.state
    return Order(
        label=case.job.label,
        base=case.job.name,
        new=successor(state, run.marks, run.now()),
        current_id=state.current.key.id if state.current else None,
    )


def _stage(run: Run, begun: t.Sequence[Case], listing: list[ApiKey]) -> tuple[list[_Way], list[ApiKey], list[Failure]]:
    """A new key for each, or the one that an earlier run has left.

    :returns: Those that succeeded, what there was at Honeycomb before they were enabled, and what went wrong.
    """
    creating = [case for case in begun if case.state.continues is None]
    orders = [_order(run, case) for case in creating]
    created, latest = handover.create_pending(run, orders, listing, lambda: look_up(run, [case.job for case in begun]))
    ways, failures = [], []
    for case, order, made in zip(creating, orders, created):
        if isinstance(made, CreatedKey):
            ways.append(_way(case, _staged(case, made), made.key, made))
            lacking = not_granted(order.new, made.key)
            if lacking:
                ways[-1].delivery.fail(about(case.job.label, _told_lacking(lacking)))
        else:
            failures.append(_failure(case.job, made.message))
    handover.stage(run, [way.delivery for way in ways])
    for way in ways:
        way.kept = way.staged.kept and way.delivery.error is None
    for case in begun:
        if case.state.continues is not None:
            ways.append(_way(case, _continued(case), case.state.continues.key))
            ways[-1].kept = True
    _go_live(run, ways)
    for way in ways:
        if way.delivery.error is not None:
            told = let_go(run, way.staged, kept=way.kept, maybe_used=way.published)
            failures.append(_failure(way.case.job, f"{way.delivery.error.message} The old key is unchanged. {told}"))
    return [way for way in ways if way.delivery.error is None], latest, failures


@dataclass
class _Way:
    """The way of one new value to where it is accepted.

    :param kept: Whether it is in the pending slot of its store.
    :param published: Whether its store may already show it to readers.
    """

    case: Case
    staged: Staged
    delivery: Delivery
    created: CreatedKey | None = None
    kept: bool = False
    published: bool = False


def _way(case: Case, staged: Staged, key: ApiKey, created: CreatedKey | None = None) -> _Way:
    return _Way(case, staged, delivery_of(staged, key, case.slots), created)


def _go_live(run: Run, ways: t.Sequence[_Way]) -> None:
    """Enable each staged key, wait until the service accepts its value, as the right key, and publish the value."""
    deliveries = [way.delivery for way in ways]
    each_open(run, deliveries, lambda delivery: _enable(run, delivery))
    each_open(run, deliveries, lambda delivery: handover.accept(run, delivery))
    for way in ways:
        way.published = way.delivery.home is not None and way.delivery.error is None
    handover.publish(run, [way.delivery for way in ways if way.published])


def _told_lacking(permissions: t.Sequence[str]) -> str:
    return (
        f"Honeycomb created its new key without {', '.join(permissions)}, which the old one has. Check what the "
        "management key may grant."
    )


def _failure(job: Job, message: str) -> Failure:
    return Failure(job.position, job.name, job.label, message)


def delivery_of(staged: Staged, key: ApiKey, before: Slots | None) -> Delivery:
    claim = Claim(staged.label, staged.new_id, staged.key_type, staged.environment, str(staged.value))
    before = before or Slots()
    return Delivery(staged.name, claim, key, staged.home, before, _replaced_id(staged, before))


def _replaced_id(staged: Staged, before: Slots) -> str | None:
    """The key that the value belongs to which is live until now, for the previous slot. It need not be the old key."""
    if before.live_id or staged.key_type != "ingest":
        return before.live_id or staged.old_id
    return staged.old_id if begins_with_id(before.live or "", staged.old_id) else None


def _continued(case: Case) -> Staged:
    """What an earlier run has left, and whose value the store has."""
    entry, pending = t.cast(Generation, case.state.continues), t.cast(Slots, case.slots).pending
    return _staged(case, CreatedKey(entry.key, ""), value=pending.value if pending else None)


def _staged(case: Case, created: CreatedKey, value: str | None = None) -> Staged:
    job, state = case.job, case.state
    left = [entry.key.id for kind in ("pending", "retired") for entry in state.of(kind) if entry.enabled]
    new_id = str(created.key.id)
    return Staged(
        position=job.position,
        name=job.name,
        key_type=job.key_type,
        environment=job.environment,
        overlap=job.policy.overlap,
        old_id=state.current.key.id if state.current else None,
        stale_ids=tuple(str(key_id) for key_id in left if key_id != new_id),
        new_id=new_id,
        value=value or created.value,
        home=job.home,
    )


def slots_of(run: Run, staged: t.Sequence[Staged]) -> dict[Home, Slots | HoneycombError]:
    """What the stores of staged keys hold now."""
    return look([entry.home for entry in staged if entry.home], run.concurrency, writing=False)


def recalled(staged: Staged, slots: t.Mapping[Home, Slots | HoneycombError]) -> Delivery:
    """A staged key on its way again, with its value from the pending slot of its store."""
    found = slots[staged.home] if staged.home else Slots()
    before = found if isinstance(found, Slots) else Slots()
    value = staged.value if not staged.kept else before.pending.value if before.pending else None
    key = ApiKey(staged.new_id, "", staged.key_type, staged.environment.id, True)
    delivery = delivery_of(replace(staged, value=value), key, before)
    if isinstance(found, HoneycombError):
        delivery.fail(about(staged.label, found.message))
    elif staged.kept and (before.pending is None or before.pending.key_id != staged.new_id):
        place = staged.home.place if staged.home else ""
        delivery.fail(
            about(staged.label, f"the pending slot of {place} does not hold the value of its new key {staged.new_id}.")
        )
    return delivery


def each_open(run: Run, deliveries: t.Sequence[Delivery], work: t.Callable[[Delivery], None]) -> None:
    handover.each(run, [delivery for delivery in deliveries if delivery.error is None], work)


def _enable(run: Run, delivery: Delivery) -> None:
    key_id, name = delivery.claim.key_id, delivery.base
    key = run.client.update_key(key_id, {"disabled": False})
    delivery.key = key
    if key.name not in (run.marks.pending_name(name), name):
        run.client.update_key(key_id, {"disabled": True})
        raise HoneycombError(
            f"it was taken over by another run or a person, and is now called {key.name!r}. It was disabled again."
        )
