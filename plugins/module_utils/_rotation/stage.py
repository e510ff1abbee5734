# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""The new key of each key that is due: created, kept, enabled, accepted. The old one is not touched."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from .._api.resources import ApiKey, CreatedKey
from .._errors import HoneycombError
from .._keys import handover
from .._keys.acceptance import Claim
from .._keys.apply import predict
from .._keys.generations import Generation
from .._keys.handover import Delivery, Order, Run
from .._keys.homes import Home, look
from .._keys.plan import about
from .._keys.values import begins_with_id
from .._stores.store import Slots
from .decisions import successor
from .jobs import Case, Job, Staged
from .survey import Changes, all_of, assess_jobs, look_up, take_steps, with_outcomes


def stage(run: Run, jobs: t.Sequence[Job]) -> Changes:
    """Take the steps that are due, create a disabled, pending key for each key that is due, and stage its value.

    Where the store has the value of a pending key that an earlier run has left, that key is used instead of a new one.
    """
    listing = look_up(run, jobs)
    cases = assess_jobs(run, jobs, listing)
    before = {str(entry.key.id): entry.key for case in cases for entry in case.state.generations}
    changed = any(case.state.steps or case.state.due for case in cases)
    if run.preview or not changed:
        after = with_outcomes(before, [predict(step) for case in cases for step in case.state.steps])
        due = [case for case in cases if case.state.due and case.state.continues is None]
        after.update((f"new {case.job.label}", successor(case.state, run.marks)) for case in due)
        return Changes(cases, changed, before, after)
    found, listing = take_steps(run, cases, listing)
    _settle(run, found)
    due = [case for case in found if case.state.due]
    creating = [case for case in due if case.state.continues is None]
    created, latest = _create(run, creating, listing)
    failed = _stage(run, list(zip(creating, created)))
    staged = [_staged(case, entry) for case, entry in zip(creating, created) if case.job.position not in failed]
    staged += [_continued(case) for case in due if case.state.continues is not None]
    staged.sort(key=lambda entry: entry.position or 0)
    wanted = {*before, *(entry.new_id for entry in staged)}
    after = {str(key.id): key for key in latest if key.id in wanted}
    cases = [
        replace(case, state=replace(case.state, blocked=failed[case.job.position]))
        if case.job.position in failed
        else case
        for case in cases
    ]
    # A value that the store has is not returned.
    shown = [entry for case, entry in zip(creating, created) if case.job.home is None]
    return Changes(cases, True, before, after, staged, shown)


def activate(run: Run, staged: t.Sequence[Staged]) -> list[dict[str, t.Any]]:
    """Enable each staged key, wait until the service accepts its value, as the right key, and publish the value.

    :returns: Where the values are now, of those that have a store.
    :raises HoneycombError: The first failure; the other keys were activated all the same.
    """
    if run.preview:
        return []
    slots = slots_of(run, staged)
    deliveries = [recalled(entry, slots) for entry in staged]
    each_open(run, deliveries, lambda delivery: _enable(run, delivery))
    each_open(run, deliveries, lambda delivery: handover.accept(run, delivery))
    handover.publish(run, [delivery for delivery in deliveries if delivery.home])
    for entry, delivery in zip(staged, deliveries):
        delivery.explain(_after_failure(entry))
    all_of(delivery.error or delivery for delivery in deliveries)
    return [
        {"name": entry.name, **entry.home.describe(delivery.claim.value, delivery.version)}
        for entry, delivery in zip(staged, deliveries)
        if entry.home
    ]


def _settle(run: Run, cases: t.Sequence[Case]) -> None:
    """Empty the pending slots of keys that have their names: the run that promoted them died before it did."""
    deliveries = []
    for case in cases:
        current, held = case.state.current, case.slots.pending if case.slots else None
        if current and held and held.key_id == current.key.id:
            claim = Claim(case.job.label, str(held.key_id), case.job.key_type, case.job.environment, held.value)
            deliveries.append(Delivery(case.job.name, claim, current.key, case.job.home))
    handover.settle(run, deliveries)


def _create(run: Run, due: t.Sequence[Case], listing: list[ApiKey]) -> tuple[list[CreatedKey], list[ApiKey]]:
    """Create a successor for each key that is due: all, or none that anybody could use.

    :returns: What was created, in the order of the cases, and what there is then.
    :raises HoneycombError: One could not be created, or another run was faster. What was created is put away.
    """
    orders = [_order(run, case) for case in due]
    results, latest = handover.create_pending(run, orders, listing, lambda: look_up(run, [case.job for case in due]))
    try:
        return all_of(results), latest
    except HoneycombError:
        for order, entry in zip(orders, results):
            if isinstance(entry, CreatedKey):
                handover.try_to_put_away(run, order.base, entry.key)
        raise


def _order(run: Run, case: Case) -> Order:
    state = case.state
    return Order(
        label=case.job.label,
        base=case.job.name,
        new=successor(state, run.marks),
        current_id=state.current.key.id if state.current else None,
    )


def _stage(run: Run, made: t.Sequence[tuple[Case, CreatedKey]]) -> dict[int, str]:
    """Put new values into the pending slots of their stores.

    :returns: What went wrong, by the positions of the jobs. Their keys are put away.
    """
    deliveries = [(case, delivery_of(_staged(case, entry), entry.key, case.slots)) for case, entry in made]
    handover.stage(run, [delivery for _case, delivery in deliveries])
    failed = {}
    for case, delivery in deliveries:
        if delivery.error is not None:
            handover.try_to_put_away(run, case.job.name, delivery.key)
            failed[case.job.position] = (
                f"{delivery.error.message} The new key is disabled and will not be used; the old key is unchanged. Fix "
                "the store, then rerun the rotation."
            )
    return failed


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
    if key.name not in (run.marks.pending_name(name), name):
        run.client.update_key(key_id, {"disabled": True})
        raise HoneycombError(
            f"it was taken over by another run or a person, and is now called {key.name!r}. It was disabled again."
        )


def _after_failure(staged: Staged) -> str:
    if staged.kept and staged.home:
        return (
            f"The old key is unchanged, and the new value is kept in the pending slot of {staged.home.place}: rerun "
            "the rotation, and it goes on with this key."
        )
    return "The old key is unchanged; rerun the rotation, and it starts over with another new key."
