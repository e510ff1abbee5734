# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""What there is of each key and what comes next, found out; and the steps that need no new key, taken."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from .._api.resources import ApiKey, CreatedKey
from .._errors import HoneycombError, InputError
from .._keys import handover
from .._keys.apply import Outcome, apply_plans, predict
from .._keys.generations import Listing
from .._keys.handover import Run
from .._keys.homes import Home, look
from .._keys.plan import Plan, about
from .._keys.values import Situation, foreign, owner
from .._stores.store import Slots
from .decisions import Assessment, Stored, assess
from .jobs import Case, Job, Staged
from .schedule import ANYTIME, Rules, scheduled

R = t.TypeVar("R")

# A step may make another one due, which is taken in the same run: rename, then disable, then delete.
_ROUNDS = 3


@dataclass(frozen=True)
class Failure:
    """What went wrong with one key. The others went on.

    :param position: Which of the task's ``rotations`` it is.
    :param message: What happened, in what state things are, and what to do next.
    """

    position: int | None
    name: str
    label: str
    message: str


@dataclass(frozen=True)
class Changes:
    """What a phase did, or in a preview would do.

    :param cases: For the report. After ``stage`` what it found, after ``restore`` and ``retire`` what there is now.
    :param before: The keys, by what a diff calls them, and ``after`` what became of them.
    :param created: The new values, with ``staged`` where they are to go.
    :param stored: Where the values of staged keys are now, of those that have a store. For the result.
    :param due: The positions of the keys that are due and were not asked for.
    :param failures: What went wrong, of single keys.
    :param notes: What else is to be told, a line each.
    """

    cases: t.Sequence[Case]
    changed: bool
    before: dict[str, ApiKey]
    after: dict[str, ApiKey]
    staged: t.Sequence[Staged] = ()
    created: t.Sequence[CreatedKey] = ()
    stored: t.Sequence[dict[str, t.Any]] = ()
    due: t.Sequence[int] = ()
    failures: t.Sequence[Failure] = ()
    notes: t.Sequence[str] = ()


def check_scope(run: Run) -> None:
    """See in a preview that the management key could do what is planned.

    :raises InputError: It may only read.
    """
    if "api-keys:write" not in run.client.management_key().scopes:
        raise InputError(
            "the management key has no scope api-keys:write, so a real run could not do this. Give it that scope, or "
            "use another management key."
        )


def status(run: Run, jobs: t.Sequence[Job], rules: Rules = ANYTIME) -> list[Case]:
    """What there is and what comes next. Writes nothing."""
    return scheduled(assess_jobs(run, jobs, look_up(run, jobs), writing=False), run.now(), rules)


def look_up(run: Run, jobs: t.Sequence[Job]) -> list[ApiKey]:
    """The team's keys, of one type where that is enough."""
    types = {job.key_type for job in jobs}
    return run.client.list_keys(types.pop() if len(types) == 1 else None)


def assess_jobs(run: Run, jobs: t.Sequence[Job], listing: t.Sequence[ApiKey], *, writing: bool = True) -> list[Case]:
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


def caught(work: t.Callable[[], R]) -> R | HoneycombError:
    """So that one key's failure does not stop the others."""
    try:
        return work()
    except HoneycombError as exc:
        return exc


def carry_out(run: Run, steps: t.Sequence[tuple[Job, Plan]]) -> tuple[list[Outcome], list[Failure]]:
    """Carry out plans for existing keys, or predict that in a preview. What fails with one does not stop the others.

    :returns: What succeeded, and what went wrong.
    """
    if run.preview:
        return [predict(step) for _job, step in steps], []
    outcomes = apply_plans(run.client, [step for _job, step in steps], (), run.concurrency)
    return (
        [outcome for outcome in outcomes if not outcome.error],
        [
            Failure(job.position, job.name, job.label, about(job.label, outcome.error.message))
            for (job, _step), outcome in zip(steps, outcomes)
            if outcome.error
        ],
    )


def with_outcomes(before: t.Mapping[str, ApiKey], outcomes: t.Iterable[Outcome]) -> dict[str, ApiKey]:
    """What there is after outcomes of plans for existing keys."""
    after = dict(before)
    for outcome in outcomes:
        key_id = str(outcome.plan.key and outcome.plan.key.id)
        if outcome.key:
            after[key_id] = outcome.key
        else:
            after.pop(key_id, None)
    return after


@dataclass(frozen=True)
class Taken:
    """What became of the steps that were due.

    :param cases: What there is now of each key. Their steps are all that were taken, round after round.
    """

    cases: list[Case]
    listing: list[ApiKey]
    failures: list[Failure]


def take_steps(run: Run, cases: t.Sequence[Case], listing: list[ApiKey]) -> Taken:
    """Take the steps that are due, and those that become due by them; in a preview, the same with what they would do.

    Whether a new key is due stays as decided at first: finishing the promotion of an earlier run is a rotation too. A
    key of which a step failed is not due any more.
    """
    jobs = [case.job for case in cases]
    taken: dict[int, tuple[Plan, ...]] = {}
    failures: list[Failure] = []
    for _round in range(_ROUNDS):
        failed = {failure.position for failure in failures}
        steps = [(case.job, step) for case in cases if case.job.position not in failed for step in case.state.steps]
        if not steps:
            break
        for job, step in steps:
            taken[job.position] = (*taken.get(job.position, ()), step)
        outcomes, more = carry_out(run, steps)
        failures += more
        listing = list(with_outcomes({str(key.id): key for key in listing}, outcomes).values())
        fresh = assess_jobs(run, jobs, listing)
        # Where nothing depends on a store any more, it is not looked at again.
        cases = [
            replace(
                new, state=replace(new.state, due=old.state.due, reason=old.state.reason), slots=new.slots or old.slots
            )
            for old, new in zip(cases, fresh)
        ]
    failed = {failure.position for failure in failures}
    cases = [
        replace(
            case,
            state=replace(
                case.state,
                steps=taken.get(case.job.position, ()),
                due=case.state.due and case.job.position not in failed,
            ),
        )
        for case in cases
    ]
    return Taken(cases, listing, failures)
