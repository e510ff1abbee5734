# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""The phases of a rotation: they carry out what ``decisions.py`` decides, for one key or many at once.

Between them a playbook stores and deploys the values: stage, activate, promote. The other phases are for people.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from .._api.resources import ApiKey, CreatedKey
from .._errors import HoneycombError, InputError
from .._keys import handover
from .._keys.acceptance import Claim, wait_until_refused
from .._keys.apply import Outcome, apply_plans, predict
from .._keys.generations import Generation, Listing, shelve
from .._keys.handover import Delivery, Order, Run
from .._keys.homes import Home, look
from .._keys.plan import Plan, about
from .._keys.values import Situation, begins_with_id, foreign, owner
from .._parallel import in_parallel
from .._stores.store import Slots
from .._time import describe_seconds
from .decisions import Assessment, Stored, assess, plan_promotion, plan_restore, plan_retire, successor
from .jobs import Case, Job, Staged

R = t.TypeVar("R")

# A step may make another one due, which is taken in the same run: rename, then disable, then delete.
_ROUNDS = 3


@dataclass(frozen=True)
class Changes:
    """What a phase did, or in a preview would do.

    :param cases: For the report. After ``stage`` what it found, after ``restore`` and ``retire`` what there is now.
    :param before: The keys, by what a diff calls them, and ``after`` what became of them.
    :param created: The new values, with ``staged`` where they are to go.
    """

    cases: t.Sequence[Case]
    changed: bool
    before: dict[str, ApiKey]
    after: dict[str, ApiKey]
    staged: t.Sequence[Staged] = ()
    created: t.Sequence[CreatedKey] = ()


@dataclass(frozen=True)
class Promotion:
    """What the promotion of one key did.

    :param replaced: What it took the place of.
    """

    staged: Staged
    steps: list[Plan] = field(default_factory=list)
    replaced: list[ApiKey] = field(default_factory=list)


def status(run: Run, jobs: t.Sequence[Job]) -> list[Case]:
    """What there is and what comes next. Writes nothing."""
    return _assess(run, jobs, _look(run, jobs), writing=False)


def stage(run: Run, jobs: t.Sequence[Job]) -> Changes:
    """Take the steps that are due, create a disabled, pending key for each key that is due, and stage its value.

    Where the store has the value of a pending key that an earlier run has left, that key is used instead of a new one.
    """
    listing = _look(run, jobs)
    cases = _assess(run, jobs, listing)
    before = {str(entry.key.id): entry.key for case in cases for entry in case.state.generations}
    changed = any(case.state.steps or case.state.due for case in cases)
    if run.preview or not changed:
        after = _after(before, [predict(step) for case in cases for step in case.state.steps])
        due = [case for case in cases if case.state.due and case.state.continues is None]
        after.update((f"new {case.job.label}", successor(case.state, run.marks)) for case in due)
        return Changes(cases, changed, before, after)
    found, listing = _take_steps(run, cases, listing)
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
    slots = _slots(run, staged)
    deliveries = [_recalled(entry, slots) for entry in staged]
    _each_open(run, deliveries, lambda delivery: _enable(run, delivery))
    _each_open(run, deliveries, lambda delivery: handover.accept(run, delivery))
    handover.publish(run, [delivery for delivery in deliveries if delivery.home])
    for entry, delivery in zip(staged, deliveries):
        delivery.explain(_after_failure(entry))
    _all_of(delivery.error or delivery for delivery in deliveries)
    return [
        {"name": entry.name, **entry.home.describe(delivery.claim.value, delivery.version)}
        for entry, delivery in zip(staged, deliveries)
        if entry.home
    ]


def promote(run: Run, staged: t.Sequence[Staged], old_values: t.Sequence[str]) -> list[Promotion]:
    """Make each deployed key the current one, and disable what it replaces where there is no overlap.

    :param old_values: The values of the replaced keys by the position of their jobs, each empty where it is not known.
    :raises HoneycombError: The first failure; the other keys were promoted all the same.
    """
    if run.preview:
        return []
    # By position: up to ansible-core 2.21, a value that came in as a secret can't come back in a result.
    values = dict(enumerate(old_values))
    slots = _slots(run, staged)

    def put_away(promotion: Promotion) -> Promotion | HoneycombError:
        value = values.get(promotion.staged.position, "") if promotion.staged.position is not None else ""
        value = value or _old_value(promotion.staged, slots)
        return _caught(lambda: _put_away_old(run, promotion, value))

    done = in_parallel(lambda entry: _caught(lambda: _promote(run, entry, slots)), staged, run.concurrency)
    promoted = [entry for entry in done if isinstance(entry, Promotion)]
    # Before the old keys are put away: where that is still to be done, the next run looks at the stores again.
    handover.settle(run, [_recalled(entry.staged, slots) for entry in promoted if entry.staged.kept])
    finished = iter(in_parallel(put_away, promoted, run.concurrency))
    return _all_of(next(finished) if isinstance(entry, Promotion) else entry for entry in done)


def restore(run: Run, jobs: t.Sequence[Job], key_id: str | None) -> Changes:
    """Enable the newest retired generation of each key at once, or the one with this id.

    Its value then goes back to the live slot of the store, so that readers of the store use it too.
    """

    def decide(state: Assessment) -> list[Plan]:
        plan = plan_restore(state, run.now(), run.marks, key_id)
        return [plan] if plan else []

    done = _by_hand(run, jobs, decide)
    restored = [(case, entries[-1]) for case in done.cases if (entries := _restored(case, key_id))]
    return replace(done, changed=_bring_back(run, restored) or done.changed)


def _restored(case: Case, key_id: str | None) -> list[Generation]:
    """The restored generations that are enabled, the one restored last at the end."""
    found = [entry for entry in case.state.of("restored") if entry.enabled and key_id in (None, entry.key.id)]
    return sorted(found, key=lambda entry: (str(entry.since), entry.key.order))


def retire(run: Run, jobs: t.Sequence[Job]) -> Changes:
    """Retire restored generations. The value of the current key goes back to the live slot of the store first."""
    cases = _assess(run, jobs, _look(run, jobs), writing=False)
    current = [(case, case.state.current) for case in cases if case.state.current and case.state.of("restored")]
    back = _bring_back(run, [(case, entry) for case, entry in current if entry])
    done = _by_hand(run, jobs, lambda state: plan_retire(state, run.now(), run.marks))
    return replace(done, changed=back or done.changed)


def _bring_back(run: Run, wanted: t.Sequence[tuple[Case, Generation]]) -> bool:
    """Make the values of these keys live again, from the previous slots of their stores.

    What can't be brought back is left, and the user is told: the key itself is what matters.
    """
    homes = {case.job.position: case.job.home for case, _entry in wanted if case.job.home}
    if run.preview or not homes:
        return False
    slots = look(list(homes.values()), run.concurrency, writing=True)
    deliveries = []
    for case, entry in wanted:
        home = homes.get(case.job.position)
        if home is None:
            continue
        found = slots[home]
        current = case.state.current
        if isinstance(found, HoneycombError):
            run.warn(f"{about(case.job.label, found.message)} Its readers keep the value that they have.")
        elif found.live_id == entry.key.id or begins_with_id(found.live or "", entry.key.id):
            continue
        elif found.previous is None or found.previous.key_id != entry.key.id:
            run.warn(
                about(
                    case.job.label,
                    f"{home.place} does not have the value of {entry.key.id} any more, so its readers keep the value "
                    "that they have.",
                )
            )
        else:
            claim = Claim(
                case.job.label, str(entry.key.id), case.job.key_type, case.job.environment, found.previous.value
            )
            replaced = current.key.id if current and current.key.id != entry.key.id else found.live_id
            deliveries.append(Delivery(case.job.name, claim, entry.key, home, found, replaced))
    _each_open(run, deliveries, lambda delivery: handover.accept(run, delivery))
    # The value leaves the previous slot when it goes live. Until then it is in the pending slot too, if that is free.
    handover.stage(run, [delivery for delivery in deliveries if delivery.before.pending is None])
    handover.publish(run, deliveries)
    handover.settle(run, [delivery for delivery in deliveries if delivery.error is None])
    for delivery in deliveries:
        if delivery.error is not None:
            run.warn(f"{delivery.error.message} Its readers keep the value that they have.")
    return any(delivery.error is None for delivery in deliveries)


# -- looking and taking steps ------------------------------------------------------------------------------------------


def _look(run: Run, jobs: t.Sequence[Job]) -> list[ApiKey]:
    """The team's keys, of one type where that is enough."""
    types = {job.key_type for job in jobs}
    return run.client.list_keys(types.pop() if len(types) == 1 else None)


def _assess(run: Run, jobs: t.Sequence[Job], listing: t.Sequence[ApiKey], *, writing: bool = True) -> list[Case]:
    """What there is of each key, and what comes next. Stores are looked at only where something may depend on it.

    :param writing: Whether values are to be stored next, so that the stores have to be writable.
    """
    now, found_keys = run.now(), Listing(listing)

    def judge(job: Job, stored: Stored | None = None) -> Assessment:
        family = found_keys.family(job.name, job.key_type, job.environment.id)
        return assess(job.name, family, now, job.policy, run.marks, stored)

    states = {job.position: judge(job) for job in jobs}
    asking = {
        job.position: job
        for job in jobs
        if job.home and (states[job.position].due or states[job.position].unfinished or states[job.position].steps)
    }
    slots = look([job.home for job in asking.values() if job.home], run.concurrency, writing=writing)
    found = {position: slots[t.cast(Home, job.home)] for position, job in asking.items()}
    stored = _stored(run, asking, found, found_keys)
    return [
        Case(
            job,
            judge(job, stored[job.position]) if job.position in asking else states[job.position],
            known if isinstance(known := found.get(job.position), Slots) else None,
        )
        for job in jobs
    ]


def _stored(
    run: Run, jobs: t.Mapping[int, Job], found: t.Mapping[int, Slots | HoneycombError], listing: Listing
) -> dict[int, Stored]:
    """What the stores hold, as far as decisions depend on it."""
    readable = {position: slots for position, slots in found.items() if isinstance(slots, Slots)}
    situations = [_situation(run, jobs[position], slots, listing) for position, slots in readable.items()]
    asked = dict(zip(readable, handover.check_live(run, situations)))
    stored: dict[int, Stored] = {}
    for position, slots in found.items():
        if isinstance(slots, HoneycombError):
            stored[position] = Stored(
                trouble=f"{slots.message} Nothing was done. Fix the store, then rerun the rotation."
            )
            continue
        situation = asked[position]
        live_id = owner(situation)
        stored[position] = Stored(
            place=situation.place,
            live_id=live_id,
            pending_id=slots.pending.key_id if slots.pending else None,
            trouble=foreign(situation, live_id),
        )
    return stored


def _situation(run: Run, job: Job, slots: Slots, listing: Listing) -> Situation:
    family = listing.family(job.name, job.key_type, job.environment.id)
    return Situation(
        base=job.name,
        wanted=next(
            (key for key in family if key.name == job.name),
            ApiKey(None, job.name, job.key_type, job.environment.id, False),
        ),
        slots=slots,
        listing=listing,
        marks=run.marks,
        place=job.home.place if job.home else "",
        slug=job.environment.slug,
        has_pending=job.home is None or job.home.store.has_pending,
    )


def _caught(work: t.Callable[[], R]) -> R | HoneycombError:
    """So that one key's failure does not stop the others."""
    try:
        return work()
    except HoneycombError as exc:
        return exc


def _all_of(results: t.Iterable[R | HoneycombError]) -> list[R]:
    """All results; the first failure is raised."""
    succeeded: list[R] = []
    for result in results:
        if isinstance(result, HoneycombError):
            raise result
        succeeded.append(result)
    return succeeded


def _apply(run: Run, plans: t.Sequence[Plan]) -> list[Outcome]:
    """Carry out plans that do not depend on each other.

    :raises HoneycombError: The first failure; the other plans were carried out all the same.
    """
    outcomes = apply_plans(run.client, plans, (), run.concurrency)
    for outcome in outcomes:
        if outcome.error:
            raise outcome.error
    return outcomes


def _after(before: t.Mapping[str, ApiKey], outcomes: t.Iterable[Outcome]) -> dict[str, ApiKey]:
    """What there is after outcomes of plans for existing keys."""
    after = dict(before)
    for outcome in outcomes:
        key_id = str(outcome.plan.key and outcome.plan.key.id)
        if outcome.key:
            after[key_id] = outcome.key
        else:
            after.pop(key_id, None)
    return after


def _take_steps(run: Run, cases: t.Sequence[Case], listing: list[ApiKey]) -> tuple[list[Case], list[ApiKey]]:
    """Take the steps that are due, and those that become due by them.

    Whether a new key is due stays as decided at first: finishing the promotion of an earlier run is a rotation too.
    """
    jobs = [case.job for case in cases]
    for _round in range(_ROUNDS):
        steps = [step for case in cases for step in case.state.steps]
        if not steps:
            break
        listing = list(_after({str(key.id): key for key in listing}, _apply(run, steps)).values())
        fresh = _assess(run, jobs, listing)
        # Where nothing depends on a store any more, it is not looked at again.
        cases = [
            replace(new, state=replace(new.state, due=old.state.due), slots=new.slots or old.slots)
            for old, new in zip(cases, fresh)
        ]
    return list(cases), listing


def _by_hand(run: Run, jobs: t.Sequence[Job], decide: t.Callable[[Assessment], list[Plan]]) -> Changes:
    listing = _look(run, jobs)
    cases = _assess(run, jobs, listing)
    steps: list[Plan] = []
    for case in cases:
        try:
            steps += decide(case.state)
        except InputError as exc:
            exc.message = about(case.job.label, exc.message)
            raise
    before = {str(step.key.id): step.key for step in steps if step.key}
    outcomes = [predict(step) for step in steps] if run.preview else _apply(run, steps)
    if steps and not run.preview:
        listing = list(_after({str(key.id): key for key in listing}, outcomes).values())
        cases = _assess(run, jobs, listing)
    return Changes(cases, bool(steps), before, _after(before, outcomes))


def _settle(run: Run, cases: t.Sequence[Case]) -> None:
    """Empty the pending slots of keys that have their names: the run that promoted them died before it did."""
    deliveries = []
    for case in cases:
        current, held = case.state.current, case.slots.pending if case.slots else None
        if current and held and held.key_id == current.key.id:
            claim = Claim(case.job.label, str(held.key_id), case.job.key_type, case.job.environment, held.value)
            deliveries.append(Delivery(case.job.name, claim, current.key, case.job.home))
    handover.settle(run, deliveries)


# -- stage -------------------------------------------------------------------------------------------------------------


def _create(run: Run, due: t.Sequence[Case], listing: list[ApiKey]) -> tuple[list[CreatedKey], list[ApiKey]]:
    """Create a successor for each key that is due: all, or none that anybody could use.

    :returns: What was created, in the order of the cases, and what there is then.
    :raises HoneycombError: One could not be created, or another run was faster. What was created is put away.
    """
    orders = [_order(run, case) for case in due]
    results, latest = handover.create_pending(run, orders, listing, lambda: _look(run, [case.job for case in due]))
    try:
        return _all_of(results), latest
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
    deliveries = [(case, _delivery(_staged(case, entry), entry.key, case.slots)) for case, entry in made]
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


def _delivery(staged: Staged, key: ApiKey, before: Slots | None) -> Delivery:
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


# -- activate and promote ----------------------------------------------------------------------------------------------


def _slots(run: Run, staged: t.Sequence[Staged]) -> dict[Home, Slots | HoneycombError]:
    """What the stores of staged keys hold now."""
    return look([entry.home for entry in staged if entry.home], run.concurrency, writing=False)


def _recalled(staged: Staged, slots: t.Mapping[Home, Slots | HoneycombError]) -> Delivery:
    """A staged key on its way again, with its value from the pending slot of its store."""
    found = slots[staged.home] if staged.home else Slots()
    before = found if isinstance(found, Slots) else Slots()
    value = staged.value if not staged.kept else before.pending.value if before.pending else None
    key = ApiKey(staged.new_id, "", staged.key_type, staged.environment.id, True)
    delivery = _delivery(replace(staged, value=value), key, before)
    if isinstance(found, HoneycombError):
        delivery.fail(about(staged.label, found.message))
    elif staged.kept and (before.pending is None or before.pending.key_id != staged.new_id):
        place = staged.home.place if staged.home else ""
        delivery.fail(
            about(staged.label, f"the pending slot of {place} does not hold the value of its new key {staged.new_id}.")
        )
    return delivery


def _each_open(run: Run, deliveries: t.Sequence[Delivery], work: t.Callable[[Delivery], None]) -> None:
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


def _promote(run: Run, staged: Staged, slots: t.Mapping[Home, Slots | HoneycombError]) -> Promotion:
    """Give the keys their new names."""
    found = {key_id: run.client.get_key(key_id) for key_id in staged.ids}
    try:
        steps = plan_promotion(staged.name, staged.new_id, staged.old_id, found, run.now(), run.marks)
    except InputError as exc:
        exc.message = about(staged.label, exc.message)
        raise
    if not steps:
        return Promotion(staged)
    if staged.home:
        _check_live(staged, staged.home, slots[staged.home])
    left = [run.marks.read(staged.name, key) for key in found.values() if key]
    replaced = [entry.key for entry in left if entry and entry.kind == "retired"]
    # One after the other, in this order: after each of them a rerun can tell where it is.
    for step in steps:
        key = t.cast(ApiKey, handover.carry_out(run, step))
        if key.id != staged.new_id and not key.disabled:
            replaced.append(key)
    return Promotion(staged, steps, replaced)


def _put_away_old(run: Run, promotion: Promotion, old_value: str) -> Promotion:
    """Disable what was replaced, where there is no overlap."""
    staged, replaced = promotion.staged, promotion.replaced
    if staged.overlap or not replaced:
        return promotion
    steps = [*promotion.steps, *_disable(run, staged, replaced)]
    if staged.old_id in [key.id for key in replaced]:
        _check_refused(run, staged, old_value)
    return replace(promotion, steps=steps)


def _check_live(staged: Staged, home: Home, slots: Slots | HoneycombError) -> None:
    """See that the store still gives its readers the new value, before the old key loses its name."""
    trouble = slots.message if isinstance(slots, HoneycombError) else ""
    if isinstance(slots, Slots):
        if staged.kept and not (slots.pending and slots.pending.key_id == staged.new_id):
            trouble = f"the pending slot of {home.place} does not hold the value of its new key {staged.new_id}."
        elif slots.live != (slots.pending.value if slots.pending else staged.value):
            trouble = f"{home.place} does not hold the value of its new key {staged.new_id}: somebody changed it."
    if trouble:
        raise HoneycombError(
            about(staged.label, trouble), advice="Nothing was promoted; the old key is unchanged. Rerun the rotation."
        )


def _old_value(staged: Staged, slots: t.Mapping[Home, Slots | HoneycombError]) -> str:
    """The value of the old key, where the store has it."""
    found = slots[staged.home] if staged.home else None
    previous = found.previous if isinstance(found, Slots) else None
    return previous.value if previous and previous.key_id == staged.old_id else ""


def _disable(run: Run, staged: Staged, replaced: t.Iterable[ApiKey]) -> list[Plan]:
    """Disable what was replaced, at once."""
    why = "replaced, with no overlap asked for"
    entries = [run.marks.read(staged.name, key) for key in replaced]
    steps = [shelve(staged.name, entry, run.now(), run.marks, why) for entry in entries if entry]
    for step in steps:
        handover.carry_out(run, step)
    return steps


def _check_refused(run: Run, staged: Staged, value: str) -> None:
    """Wait until the value of the disabled key is refused, where it is known and can be that key's."""
    another = staged.key_type == "ingest" and not value.startswith(str(staged.old_id))
    if not value or another or value == staged.value:
        return
    trouble = wait_until_refused(run.client, value, run.verify_time)
    if trouble is not None:
        patience = describe_seconds(run.verify_time.total_seconds())
        raise HoneycombError(
            f"Key {staged.old_id}, the old {staged.label}, is disabled, but after {patience} its value is "
            f"still accepted{trouble}. The new key {staged.new_id} is the current one and is deployed. Check that "
            f"old_key is the value of {staged.old_id}, then check it again later with honeycomb_auth_info."
        )
