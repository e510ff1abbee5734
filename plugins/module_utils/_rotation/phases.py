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
from datetime import datetime, timedelta

from .._api.client import Client
from .._api.resources import ApiKey, CreatedKey
from .._errors import HoneycombError, InputError
from .._keys.apply import Outcome, apply_plan, apply_plans, predict
from .._keys.create import create_keys
from .._keys.generations import Generation, Marks
from .._keys.plan import Plan, place_of
from .._parallel import in_parallel
from .._time import parse_timestamp
from .decisions import Assessment, assess, lost_race, plan_promotion, plan_restore, plan_retire, shelve, successor
from .jobs import Case, Job, Staged, about
from .verification import wait_until_accepted, wait_until_refused

R = t.TypeVar("R")

# Requests at once, and so connections.
CONCURRENCY = 8
# A step may make another one due, which is taken in the same run: rename, then disable, then delete.
_ROUNDS = 3


@dataclass(frozen=True)
class Run:
    """What the phases of one task work with.

    :param verify_time: How long to wait for a value to be accepted or refused.
    :param preview: Decide and predict, but write nothing.
    :param warn: Called with a text for the user.
    """

    client: Client
    marks: Marks
    verify_time: timedelta
    preview: bool
    warn: t.Callable[[str], None]

    def now(self) -> datetime:
        """The service's time."""
        return self.client.transport.now()


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
    return _assess(run, jobs, _look(run, jobs))


def stage(run: Run, jobs: t.Sequence[Job]) -> Changes:
    """Take the steps that are due, and create a disabled, pending key for each key that is due."""
    listing = _look(run, jobs)
    cases = _assess(run, jobs, listing)
    before = {str(entry.key.id): entry.key for case in cases for entry in case.state.generations}
    changed = any(case.state.steps or case.state.due for case in cases)
    if run.preview or not changed:
        after = _after(before, [predict(step) for case in cases for step in case.state.steps])
        due = [case for case in cases if case.state.due]
        after.update((f"new {case.job.label}", successor(case.state, run.marks)) for case in due)
        return Changes(cases, changed, before, after)
    found, listing = _take_steps(run, cases, listing)
    due = [case for case in found if case.state.due]
    created, latest = _create(run, due, listing)
    staged = [_staged(case, entry) for case, entry in zip(due, created)]
    wanted = {*before, *(entry.new_id for entry in staged)}
    after = {str(key.id): key for job in jobs for key in job.generations_in(latest) if key.id in wanted}
    return Changes(cases, True, before, after, staged, created)


def activate(run: Run, staged: t.Sequence[Staged]) -> None:
    """Enable each staged key and wait until the service accepts its value, as the right key.

    :raises HoneycombError: The first failure; the other keys were activated all the same.
    """
    if not run.preview:
        _all_of(in_parallel(lambda entry: _caught(lambda: _activate(run, entry)), staged, CONCURRENCY))


def promote(run: Run, staged: t.Sequence[Staged], old_values: t.Sequence[str]) -> list[Promotion]:
    """Make each deployed key the current one, and disable what it replaces where there is no overlap.

    :param old_values: The values of the replaced keys by the position of their jobs, each empty where it is not known.
    :raises HoneycombError: The first failure; the other keys were promoted all the same.
    """
    if run.preview:
        return []
    # By position: up to ansible-core 2.21, a value that came in as a secret can't come back in a result.
    values = dict(enumerate(old_values))

    def work(entry: Staged) -> Promotion | HoneycombError:
        value = values.get(entry.position, "") if entry.position is not None else ""
        return _caught(lambda: _promote(run, entry, value))

    return _all_of(in_parallel(work, staged, CONCURRENCY))


def restore(run: Run, jobs: t.Sequence[Job], key_id: str | None) -> Changes:
    """Enable the newest retired generation of each key at once, or the one with this id."""

    def decide(state: Assessment) -> list[Plan]:
        plan = plan_restore(state, run.now(), run.marks, key_id)
        return [plan] if plan else []

    return _by_hand(run, jobs, decide)


def retire(run: Run, jobs: t.Sequence[Job]) -> Changes:
    """Retire restored generations."""
    return _by_hand(run, jobs, lambda state: plan_retire(state, run.now(), run.marks))


# -- looking and taking steps ------------------------------------------------------------------------------------------


def _look(run: Run, jobs: t.Sequence[Job]) -> list[ApiKey]:
    """The team's keys, of one type where that is enough."""
    types = {job.key_type for job in jobs}
    return run.client.list_keys(types.pop() if len(types) == 1 else None)


def _assess(run: Run, jobs: t.Sequence[Job], listing: t.Sequence[ApiKey]) -> list[Case]:
    now = run.now()
    return [Case(job, assess(job.name, job.generations_in(listing), now, job.policy, run.marks)) for job in jobs]


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
    outcomes = apply_plans(run.client, plans, (), CONCURRENCY)
    for outcome in outcomes:
        if outcome.error:
            raise outcome.error
    return outcomes


def _apply_one(run: Run, plan: Plan) -> ApiKey:
    outcome = apply_plan(run.client, plan, ())
    if outcome.error:
        raise outcome.error
    return t.cast(ApiKey, outcome.key)


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
        cases = [Case(new.job, replace(new.state, due=old.state.due)) for old, new in zip(cases, fresh)]
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


# -- stage -------------------------------------------------------------------------------------------------------------


def _create(run: Run, due: t.Sequence[Case], listing: list[ApiKey]) -> tuple[list[CreatedKey], list[ApiKey]]:
    """Create a successor for each key that is due: all, or none that anybody could use.

    :returns: What was created, in the order of the cases, and what there is then.
    :raises HoneycombError: One could not be created, or another run was faster. What was created is put away.
    """
    if not due:
        return [], listing
    ids = {str(key.id) for key in listing}
    wanted = [successor(case.state, run.marks) for case in due]
    by_place = {place_of(key): case for key, case in zip(wanted, due)}

    def put_away(key: ApiKey) -> None:
        _put_away(run, by_place[place_of(key)], key, "its secret was lost")

    results = create_keys(run.client, wanted, ids, put_away, CONCURRENCY)
    try:
        created = _all_of(results)
        return created, _elect(run, list(zip(due, created)), ids)
    except HoneycombError:
        _discard(run, [(case, entry) for case, entry in zip(due, results) if isinstance(entry, CreatedKey)])
        raise


def _put_away(run: Run, case: Case, key: ApiKey, why: str) -> None:
    """Mark a pending key that will not be used as a leftover."""
    pending = Generation("pending", key, mark="pending")
    _apply_one(run, shelve(case.job.name, pending, run.now(), run.marks, why))


def _elect(run: Run, made: t.Sequence[tuple[Case, CreatedKey]], before: t.Collection[str]) -> list[ApiKey]:
    """Let one of several runs at the same moment go on: the one whose key is the oldest.

    The times of keys have whole seconds, so the listing waits until ours has passed; then every run sees one order.

    :raises HoneycombError: It is another run.
    """
    youngest = max(parse_timestamp(entry.key.created_at) or run.now() for _case, entry in made)
    wait = (youngest + timedelta(seconds=1.1) - run.now()).total_seconds()
    reason = "other runs that may have started at the same moment"
    run.client.transport.budget.wait(min(max(wait, 0.0), 3.0), reason, expected=True)
    listing = _look(run, [case.job for case, _entry in made])
    for case, entry in made:
        job = case.job
        old_id = case.state.current.key.id if case.state.current else None
        lost = lost_race(job.name, entry.key, old_id, before, job.generations_in(listing), run.marks)
        if lost:
            raise HoneycombError(
                f"Not rotating the {job.label}: {lost}. This run stops; the keys that it created stay disabled."
            )
    return listing


def _discard(run: Run, made: t.Iterable[tuple[Case, CreatedKey]]) -> None:
    """Put away keys that this run created and will not use. The next run does it where this fails."""
    for case, entry in made:
        try:
            _put_away(run, case, entry.key, "not used")
        except HoneycombError as exc:
            run.warn(
                f"The new key {entry.key.id} of this run is disabled and will not be used, but it could not be marked "
                f"as stale; the next run does that. {exc.message}"
            )


def _staged(case: Case, created: CreatedKey) -> Staged:
    job, state = case.job, case.state
    left = [entry.key.id for kind in ("pending", "retired") for entry in state.of(kind) if entry.enabled]
    return Staged(
        position=job.position,
        name=job.name,
        key_type=job.key_type,
        environment=job.environment,
        overlap=job.policy.overlap,
        old_id=state.current.key.id if state.current else None,
        stale_ids=tuple(map(str, left)),
        new_id=str(created.key.id),
        value=created.value,
    )


# -- activate and promote ----------------------------------------------------------------------------------------------


def _activate(run: Run, staged: Staged) -> None:
    key_id = staged.new_id
    key = run.client.update_key(key_id, {"disabled": False})
    trouble = None
    if key.name not in (run.marks.pending_name(staged.name), staged.name):
        trouble = (
            f"Key {key_id}, the new {staged.label}, was taken over by another run or a person: it is now called "
            f"{key.name!r}. It was disabled again; the old key is unchanged. Rerun the rotation."
        )
    elif wrong := wait_until_accepted(run.client, staged, run.verify_time):
        trouble = (
            f"The value of key {key_id}, the new {staged.label}, is accepted, but {wrong}. The key was disabled "
            "again; the old key is unchanged. Check api_url, environment and key_type, then rerun the rotation."
        )
    if trouble:
        run.client.update_key(key_id, {"disabled": True})
        raise HoneycombError(trouble)


def _promote(run: Run, staged: Staged, old_value: str) -> Promotion:
    found = {key_id: run.client.get_key(key_id) for key_id in staged.ids}
    try:
        steps = plan_promotion(staged.name, staged.new_id, staged.old_id, found, run.now(), run.marks)
    except InputError as exc:
        exc.message = about(staged.label, exc.message)
        raise
    if not steps:
        return Promotion(staged)
    left = [run.marks.read(staged.name, key) for key in found.values() if key]
    replaced = [entry.key for entry in left if entry and entry.kind == "retired"]
    # One after the other, in this order: after each of them a rerun can tell where it is.
    for step in steps:
        key = _apply_one(run, step)
        if key.id != staged.new_id and not key.disabled:
            replaced.append(key)
    if not staged.overlap:
        steps += _disable(run, staged, replaced)
        if staged.old_id in [key.id for key in replaced]:
            _check_refused(run, staged, old_value)
    return Promotion(staged, steps, replaced)


def _disable(run: Run, staged: Staged, replaced: t.Iterable[ApiKey]) -> list[Plan]:
    """Disable what was replaced, at once."""
    why = "replaced, with no overlap asked for"
    entries = [run.marks.read(staged.name, key) for key in replaced]
    steps = [shelve(staged.name, entry, run.now(), run.marks, why) for entry in entries if entry]
    for step in steps:
        _apply_one(run, step)
    return steps


def _check_refused(run: Run, staged: Staged, value: str) -> None:
    """Wait until the value of the disabled key is refused, where the user gave it and it can be that key's."""
    another = staged.key_type == "ingest" and not value.startswith(str(staged.old_id))
    if value and not another and value != staged.value:
        wait_until_refused(run.client, staged, value, run.verify_time)
