# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""The new key takes the place of the old one, when every consumer has its value."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from .._api.resources import ApiKey
from .._errors import HoneycombError, InputError
from .._keys import handover
from .._keys.acceptance import wait_until_refused
from .._keys.generations import shelve
from .._keys.handover import Run
from .._keys.homes import Home
from .._keys.plan import Plan, about
from .._parallel import in_parallel
from .._stores.store import Slots
from .._time import describe_seconds
from .decisions import plan_promotion, still_pending
from .jobs import Staged
from .release import let_go
from .stage import recalled, slots_of
from .survey import Failure, caught


@dataclass(frozen=True)
class Promotion:
    """What the promotion of one key did.

    :param replaced: What it took the place of.
    """

    staged: Staged
    steps: list[Plan] = field(default_factory=list)
    replaced: list[ApiKey] = field(default_factory=list)


def promote(run: Run, staged: t.Sequence[Staged], old_values: t.Sequence[str]) -> tuple[list[Promotion], list[Failure]]:
    """Make each deployed key the current one, and disable what it replaces where there is no overlap.

    :param old_values: The values of the replaced keys by the position of their jobs, each empty where it is not known.
    :returns: What was promoted, and what went wrong. A key can be in both: then its old key is not done with yet.
    """
    if run.preview:
        return [], []
    # By position: up to ansible-core 2.21, a value that came in as a secret can't come back in a result.
    values = dict(enumerate(old_values))
    slots = slots_of(run, staged)

    def put_away(promotion: Promotion) -> Promotion | HoneycombError:
        value = values.get(promotion.staged.position, "") if promotion.staged.position is not None else ""
        value = value or _old_value(promotion.staged, slots)
        return caught(lambda: _put_away_old(run, promotion, value))

    done = in_parallel(lambda entry: caught(lambda: _promote(run, entry, slots)), staged, run.concurrency)
    promoted = [entry for entry in done if isinstance(entry, Promotion)]
    failures = [_failure(entry, error) for entry, error in zip(staged, done) if isinstance(error, HoneycombError)]
    # Before the old keys are put away: where that is still to be done, the next run looks at the stores again.
    handover.settle(run, [recalled(entry.staged, slots) for entry in promoted if entry.staged.kept])
    finished = in_parallel(put_away, promoted, run.concurrency)
    failures += [
        _failure(entry.staged, error) for entry, error in zip(promoted, finished) if isinstance(error, HoneycombError)
    ]
    return [new if isinstance(new, Promotion) else old for old, new in zip(promoted, finished)], failures


def check(run: Run, staged: t.Sequence[Staged]) -> list[Failure]:
    """Whether staged keys are still those of this run, before they are deployed to more hosts."""

    def one(entry: Staged) -> ApiKey:
        try:
            return still_pending(entry.name, entry.new_id, run.client.get_key(entry.new_id), run.marks)
        except InputError as exc:
            exc.message = about(entry.label, exc.message)
            raise

    found = in_parallel(lambda entry: caught(lambda: one(entry)), staged, run.concurrency)
    return [_failure(entry, error) for entry, error in zip(staged, found) if isinstance(error, HoneycombError)]


def _failure(staged: Staged, error: HoneycombError) -> Failure:
    return Failure(staged.position, staged.name, staged.label, error.message)


def _plan(
    run: Run, staged: Staged, slots: t.Mapping[Home, Slots | HoneycombError]
) -> tuple[dict[str, ApiKey | None], list[Plan]]:
    """What there is, and which renames are to be done.

    :raises HoneycombError: It can't be promoted.
    """
    found = {key_id: run.client.get_key(key_id) for key_id in staged.ids}
    try:
        steps = plan_promotion(staged.name, staged.new_id, staged.old_id, found, run.now(), run.marks)
    except InputError as exc:
        exc.message = about(staged.label, exc.message)
        raise
    if steps and staged.home:
        _check_live(staged, staged.home, slots[staged.home])
    return found, steps


def _promote(run: Run, staged: Staged, slots: t.Mapping[Home, Slots | HoneycombError]) -> Promotion:
    """Give the keys their new names."""
    try:
        found, steps = _plan(run, staged, slots)
    except HoneycombError as exc:
        # Nothing was renamed: the next run may begin at once.
        exc.message = f"{exc.message} {let_go(run, staged, kept=staged.kept, maybe_used=True)}"
        raise
    if not steps:
        return Promotion(staged)
    left = [run.marks.read(staged.name, key) for key in found.values() if key]
    replaced = {entry.key.id: entry.key for entry in left if entry and entry.kind == "retired"}
    # One after the other, in this order: after each of them a rerun can tell where it is.
    for step in steps:
        key = t.cast(ApiKey, handover.carry_out(run, step))
        if key.id != staged.new_id and not key.disabled:
            replaced[key.id] = key
    return Promotion(staged, steps, list(replaced.values()))


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
