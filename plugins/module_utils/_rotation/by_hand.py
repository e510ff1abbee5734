# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""What a person asks for: to bring a replaced key back, and to let go of it again."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from .._errors import HoneycombError, InputError
from .._keys import handover
from .._keys.acceptance import Claim
from .._keys.apply import predict
from .._keys.generations import Generation
from .._keys.handover import Delivery, Run
from .._keys.homes import look
from .._keys.plan import Plan, about
from .._keys.values import begins_with_id
from .decisions import Assessment, plan_restore, plan_retire
from .jobs import Case, Job
from .stage import each_open
from .survey import Changes, apply, assess_jobs, look_up, with_outcomes


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
    cases = assess_jobs(run, jobs, look_up(run, jobs), writing=False)
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
    each_open(run, deliveries, lambda delivery: handover.accept(run, delivery))
    # The value leaves the previous slot when it goes live. Until then it is in the pending slot too, if that is free.
    handover.stage(run, [delivery for delivery in deliveries if delivery.before.pending is None])
    handover.publish(run, deliveries)
    handover.settle(run, [delivery for delivery in deliveries if delivery.error is None])
    for delivery in deliveries:
        if delivery.error is not None:
            run.warn(f"{delivery.error.message} Its readers keep the value that they have.")
    return any(delivery.error is None for delivery in deliveries)


def _by_hand(run: Run, jobs: t.Sequence[Job], decide: t.Callable[[Assessment], list[Plan]]) -> Changes:
    listing = look_up(run, jobs)
    cases = assess_jobs(run, jobs, listing)
    steps: list[Plan] = []
    for case in cases:
        try:
            steps += decide(case.state)
        except InputError as exc:
            exc.message = about(case.job.label, exc.message)
            raise
    before = {str(step.key.id): step.key for step in steps if step.key}
    outcomes = [predict(step) for step in steps] if run.preview else apply(run, steps)
    if steps and not run.preview:
        listing = list(with_outcomes({str(key.id): key for key in listing}, outcomes).values())
        cases = assess_jobs(run, jobs, listing)
    return Changes(cases, bool(steps), before, with_outcomes(before, outcomes))
