# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""What a person asks for: to bring a replaced key back, and to let go of it again."""

from __future__ import annotations

import difflib
import typing as t
from dataclasses import replace

from .._api.resources import ApiKey
from .._errors import HoneycombError, InputError
from .._keys import handover
from .._keys.acceptance import Claim
from .._keys.generations import Generation, Listing, generations_of
from .._keys.handover import Delivery, Run
from .._keys.homes import look
from .._keys.plan import Plan, about
from .._keys.values import begins_with_id
from .decisions import Assessment, plan_restore, plan_retire
from .jobs import Case, Job
from .stage import each_open
from .survey import Changes, Failure, assess_jobs, carry_out, check_scope, look_up, with_outcomes


def named(run: Run, jobs: t.Sequence[Job], others: t.Sequence[str], only: t.Sequence[str]) -> list[int]:
    """The positions of the keys that a person names, by their names or by the id of any generation.

    :param others: Names that may be given too, of keys that can't be looked at.
    :raises InputError: A name or an id belongs to none of the keys; or nothing is named.
    """
    if not only:
        raise InputError("only: it is empty, so no key is chosen. Leave it out for all keys.")
    names = {job.name for job in jobs}
    ids = [entry for entry in only if entry not in names and entry not in others]
    found = Listing(look_up(run, jobs)) if ids else Listing([])
    positions = [job.position for job in jobs if job.name in only]
    for key_id in ids:
        owners = [job.position for job in jobs if key_id in _ids(run, job, found)]
        if not owners:
            close = difflib.get_close_matches(key_id, names, 3) or sorted(names)[:10]
            raise InputError(
                f"only: {key_id!r} is neither the name of a key of this task nor the id of one of their generations. "
                f"Nothing was changed. Did you mean {', '.join(close)}?"
            )
        positions += owners
    return sorted(set(positions))


def _ids(run: Run, job: Job, listing: Listing) -> list[str]:
    family = listing.family(job.name, job.key_type, job.environment.id)
    return [str(entry.key.id) for entry in generations_of(job.name, family, run.marks)]


def restore(run: Run, jobs: t.Sequence[Job], key_id: str | None) -> Changes:
    """Enable the newest retired generation of each key at once, or the one with this id.

    Its value then goes back to the live slot of the store, so that readers of the store use it too.
    """

    def decide(state: Assessment) -> list[Plan]:
        plan = plan_restore(state, run.now(), run.marks, key_id)
        return [plan] if plan else []

    listing = look_up(run, jobs)
    if key_id and len(jobs) > 1:
        jobs = _owners(run, jobs, listing, key_id)
    done = _by_hand(run, jobs, listing, decide)
    failed = {failure.position for failure in done.failures}
    restored = [
        (case, entries[-1])
        for case in done.cases
        if case.job.position not in failed and (entries := _restored(case, key_id))
    ]
    back, notes = _bring_back(run, restored)
    return replace(done, changed=back or done.changed, notes=notes)


def _owners(run: Run, jobs: t.Sequence[Job], listing: t.Sequence[ApiKey], key_id: str) -> list[Job]:
    """The key of which this is a generation.

    :raises InputError: It is none of any.
    """
    found = Listing(listing)
    owners = [job for job in jobs if key_id in _ids(run, job, found)]
    if not owners:
        names = ", ".join(job.name for job in jobs)
        raise InputError(f"{key_id} is not a generation of any of these keys: {names}. Nothing was changed.")
    return owners


def _restored(case: Case, key_id: str | None) -> list[Generation]:
    """The restored generations that are enabled, the one restored last at the end."""
    found = [entry for entry in case.state.of("restored") if entry.enabled and key_id in (None, entry.key.id)]
    return sorted(found, key=lambda entry: (str(entry.since), entry.key.order))


def retire(run: Run, jobs: t.Sequence[Job]) -> Changes:
    """Retire restored generations. The value of the current key goes back to the live slot of the store first."""
    listing = look_up(run, jobs)
    cases = assess_jobs(run, jobs, listing, writing=False)
    current = [(case, case.state.current) for case in cases if case.state.current and case.state.of("restored")]
    back, notes = _bring_back(run, [(case, entry) for case, entry in current if entry])
    done = _by_hand(run, jobs, listing, lambda state: plan_retire(state, run.now(), run.marks))
    return replace(done, changed=back or done.changed, notes=notes)


def _bring_back(run: Run, wanted: t.Sequence[tuple[Case, Generation]]) -> tuple[bool, list[str]]:
    """Make the values of these keys live again, from the previous slots of their stores.

    What can't be brought back is left, and the user is told: the key itself is what matters.

    :returns: Whether a value was or would be moved, and in a preview a line for each.
    """
    homes = {case.job.position: case.job.home for case, _entry in wanted if case.job.home}
    if not homes:
        return False, []
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
    if run.preview:
        notes = [
            about(
                entry.claim.label,
                f"the value of {entry.claim.key_id} becomes the live one of {entry.home.place} again.",
            )
            for entry in deliveries
            if entry.home
        ]
        return bool(notes), notes
    each_open(run, deliveries, lambda delivery: handover.accept(run, delivery))
    # The value leaves the previous slot when it goes live. Until then it is in the pending slot too, if that is free.
    handover.stage(run, [delivery for delivery in deliveries if delivery.before.pending is None])
    handover.publish(run, deliveries)
    handover.settle(run, [delivery for delivery in deliveries if delivery.error is None])
    for delivery in deliveries:
        if delivery.error is not None:
            run.warn(f"{delivery.error.message} Its readers keep the value that they have.")
    return any(delivery.error is None for delivery in deliveries), []


def _by_hand(
    run: Run, jobs: t.Sequence[Job], listing: list[ApiKey], decide: t.Callable[[Assessment], list[Plan]]
) -> Changes:
    """Decide about each key by itself, and do it; where one can't be helped, the others are."""
    cases = assess_jobs(run, jobs, listing)
    steps: list[tuple[Job, Plan]] = []
    failures: list[Failure] = []
    for case in cases:
        try:
            steps += [(case.job, step) for step in decide(case.state)]
        except InputError as exc:
            job = case.job
            failures.append(Failure(job.position, job.name, job.label, about(job.label, exc.message)))
    if steps and run.preview:
        check_scope(run)
    before = {str(step.key.id): step.key for _job, step in steps if step.key}
    outcomes, more = carry_out(run, steps)
    if steps:
        listing = list(with_outcomes({str(key.id): key for key in listing}, outcomes).values())
        cases = assess_jobs(run, jobs, listing)
    return Changes(cases, bool(outcomes), before, with_outcomes(before, outcomes), failures=[*failures, *more])
