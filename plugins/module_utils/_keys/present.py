# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.


"""Making keys present with their values at home: what ``values.py`` decides, carried out with ``handover.py``."""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import dataclass, field, replace

from .._api.client import CHECKS_COUNTED_AS, COUNTED_AS
from .._api.resources import ApiKey, CreatedKey, Environment
from .._errors import HoneycombError, NotFound
from .._parallel import in_parallel
from .._stores.store import Slots
from . import handover
from .acceptance import Claim
from .apply import Outcome, apply_plans, predict
from .generations import Generation, Listing, shelve_pending
from .handover import Delivery, Order, Run
from .homes import Home
from .homes import look as look_at
from .plan import Plan, delete_plan, update_plan
from .values import Course, begins_with_id, held_for, plan_confirmation


@dataclass(frozen=True)
class Item:
    """One key that a task makes present, and what was decided about its value.

    :param plan: What has to change about the key itself.
    :param base: The name that it has in the end.
    :param label: The key in messages, such as "ingest key 'checkout' of production".
    :param home: Where its value belongs; ``None`` where the user stores it and confirms the key afterwards.
    :param before: What the home holds, with the key that the live value belongs to, as far as that is known.
    """

    plan: Plan
    base: str
    label: str
    environment: Environment
    course: Course
    home: Home | None = None
    before: Slots = field(default_factory=Slots)

    @property
    def enabled(self) -> bool:
        """Whether the key is wanted enabled. The value of a disabled one waits in the pending slot."""
        return not (self.plan.after and self.plan.after.disabled)

    @property
    def staged(self) -> bool:
        """Whether its value is at home before it is live."""
        return self.home is not None and self.home.store.has_pending

    @property
    def named_when_enabled(self) -> bool:
        """Whether the key gets its own name together with being enabled, since its value is at home by then."""
        return self.staged and self.course.action in ("create", "finish")

    @property
    def named_when_published(self) -> bool:
        """Whether it gets its name last, since there is no pending slot."""
        return self.home is not None and not self.staged


@dataclass
class _Work(Delivery):
    """An item on its way.

    :param created: The key, where this run created it.
    :param extras: What became of other keys because of it.
    """

    item: Item = t.cast(Item, None)
    created: CreatedKey | None = None
    extras: list[Outcome] = field(default_factory=list)


class _Step(t.NamedTuple):
    """One step for many keys.

    :param applies: Which items take it.
    :param carry_out: Does it, and notes failures in the works.
    :param clean_up: Undoes what can be undone for one that failed, and says in what state things are then.
    """

    applies: t.Callable[[Item], bool]
    carry_out: t.Callable[[Run, t.Sequence[_Work]], None]
    clean_up: t.Callable[[Run, _Work], str]


def carry_out(
    run: Run,
    plans: t.Sequence[Plan],
    items: t.Sequence[Item | None],
    existing: t.Sequence[ApiKey],
    look: t.Callable[[], list[ApiKey]],
) -> tuple[list[Outcome], list[Outcome]]:
    """Carry out plans, or in check mode predict what they would do; and bring the values home.

    :param existing: The keys that were there, and ``look`` lists those that are there now.
    :returns: An outcome for each plan, and those of other keys that have to change because of them.
    """
    done, others = _confirm(run, plans, existing)
    ways = [item.course.action if item else None for item in items]
    # What is at home already needs no handover. A key whose value is published later is changed, or enabled, before.
    plain = [position for position, way in enumerate(ways) if way in (None, "keep", "publish") and position not in done]
    steps = [item.plan if item else plan for item, plan in zip(items, plans)]
    done.update(zip(plain, apply_or_predict(run, [steps[position] for position in plain], existing)))
    moving = [
        position
        for position, way in enumerate(ways)
        if way not in (None, "keep") and not (position in done and done[position].error)
    ]
    work = [t.cast(Item, items[position]) for position in moving]
    moved, more = predict_handover(run, work) if run.preview else bring_home(run, work, existing, look)
    done.update(zip(moving, moved))
    others += more
    settling = [
        position for position, item in enumerate(items) if item and item.course.settle and not done[position].error
    ]
    settled, more = _settle(run, [(done[position], t.cast(Item, items[position])) for position in settling])
    done.update(zip(settling, settled))
    others += more
    return [_kept(done[position], items[position]) for position in range(len(plans))], others


def _confirm(
    run: Run, plans: t.Sequence[Plan], existing: t.Sequence[ApiKey]
) -> tuple[dict[int, Outcome], list[Outcome]]:
    """Put away what keys that are confirmed now supersede. Once they have their names, no run would find it.

    :returns: The outcomes of plans that can't be carried out, by their positions, and those of other keys.
    """
    failed: dict[int, Outcome] = {}
    others: list[Outcome] = []
    listing = Listing(existing)
    due = [plan_confirmation(plan, listing, run.marks, run.now()) for plan in plans]
    for position, steps in enumerate(due):
        for outcome in apply_or_predict(run, steps, existing):
            if outcome.error:
                advice = f"Key {t.cast(ApiKey, plans[position].key).id} was left as it is; rerun."
                error = HoneycombError(_left_over(outcome.plan.key, outcome.error), advice=advice)
                failed[position] = Outcome(plans[position], error=error)
            else:
                others.append(outcome)
    return failed, others


def requests_for(plans: t.Sequence[Plan], items: t.Sequence[Item | None]) -> Counter[str]:
    """How many requests of each operation :func:`carry_out` takes, where no answer gets lost."""
    found: Counter[str] = Counter()
    for plan, item in zip(plans, items):
        course = item.course if item else None
        if course is None or course.action in ("keep", "publish"):
            found.update([COUNTED_AS[plan.action]] if plan.changed else [])
        if item is None or course is None or course.action == "keep":
            continue
        found[CHECKS_COUNTED_AS] += item.enabled
        found[COUNTED_AS["delete"]] += len(course.leftovers)
        found[COUNTED_AS["create"]] += course.creates
        # To enable it, to give it its name where that comes later, and to rename what it replaces.
        later = item.home is not None and not item.named_when_enabled
        enabling = 1 + later + (course.replaces is not None) if course.action != "publish" else 0
        found[COUNTED_AS["update"]] += enabling + len(course.superseded)
    return found


def apply_or_predict(run: Run, plans: t.Sequence[Plan], existing: t.Sequence[ApiKey]) -> list[Outcome]:
    """Carry out plans that have nothing to do with values, or in check mode predict what they would do."""
    if run.preview:
        return [predict(plan) for plan in plans]
    return apply_plans(run.client, plans, {str(key.id) for key in existing}, run.concurrency)


def _kept(outcome: Outcome, item: Item | None) -> Outcome:
    """The outcome of a key whose value was at home already, with where that is."""
    if item is None or item.home is None or item.course.action != "keep" or outcome.error:
        return outcome
    before, key_id = item.before, item.course.key.id
    if before.live is not None and before.live_id == key_id:
        return replace(outcome, stored=item.home.describe(before.live, before.version))
    held = held_for(before, key_id)
    return replace(outcome, stored=item.home.describe(held.value, slot="pending")) if held else outcome


def _settle(run: Run, kept: t.Sequence[tuple[Outcome, Item]]) -> tuple[list[Outcome], list[Outcome]]:
    """Finish what a run that died at the very end has left: superseded keys, and full pending slots."""
    if run.preview:
        steps = [_supersede(run, item, key) for _outcome, item in kept for key in item.course.superseded]
        return [outcome for outcome, _item in kept], [Outcome(step, True, step.after) for step in steps]
    works = [_work(item, None) for _outcome, item in kept]
    for step in _LAST_STEPS:
        _take(run, step, works)
    return (
        [replace(outcome, error=work.error) if work.error else outcome for (outcome, _item), work in zip(kept, works)],
        [extra for work in works for extra in work.extras],
    )


def bring_home(
    run: Run, items: t.Sequence[Item], listing: t.Sequence[ApiKey], look: t.Callable[[], list[ApiKey]]
) -> tuple[list[Outcome], list[Outcome]]:
    """Carry out what was decided.

    :param listing: The team's keys, as the decisions were based on, and ``look`` those of now.
    :returns: An outcome for each item, and those of other keys that had to change because of it.
    """
    outcomes: dict[int, Outcome] = {}
    extras: list[Outcome] = []

    def fail(position: int, error: HoneycombError) -> None:
        outcomes[position] = Outcome(items[position].plan, error=error, did=_did(items[position]))

    for position, found in enumerate(in_parallel(lambda item: _discard_leftovers(run, item), items, run.concurrency)):
        if isinstance(found, HoneycombError):
            fail(position, found)
        else:
            extras += found
    left = {key.id for item in items for key in item.course.leftovers}
    creating = [position for position, item in enumerate(items) if item.course.creates and position not in outcomes]
    results, _latest = handover.create_pending(
        run, [_order(items[position]) for position in creating], [key for key in listing if key.id not in left], look
    )
    created: dict[int, CreatedKey] = {}
    for position, result in zip(creating, results):
        if isinstance(result, CreatedKey):
            created[position] = result
        else:
            fail(position, result)
    works = {
        position: _work(item, created.get(position)) for position, item in enumerate(items) if position not in outcomes
    }
    for step in _STEPS:
        _take(run, step, list(works.values()))
    outcomes.update({position: _outcome(work) for position, work in works.items()})
    extras += [extra for work in works.values() for extra in work.extras]
    return [outcomes[position] for position in range(len(items))], extras


def _take(run: Run, step: _Step, works: t.Sequence[_Work]) -> None:
    """One step, for those that take it and have not failed yet."""
    active = [work for work in works if work.error is None and step.applies(work.item)]
    step.carry_out(run, active)
    for work in active:
        if work.error is not None:
            work.explain(step.clean_up(run, work))


def predict_handover(run: Run, items: t.Sequence[Item]) -> tuple[list[Outcome], list[Outcome]]:
    """What :func:`bring_home` would bring about, for check mode."""
    outcomes = []
    extras = [Outcome(_discard(key), True) for item in items for key in item.course.leftovers]
    for item in items:
        course, after = item.course, t.cast(ApiKey, item.plan.after)
        if course.action != "publish":
            name = item.base if item.home else run.marks.pending_name(item.base)
            known = course.key if course.held else replace(course.key, id=None)
            after = replace(after, id=known.id, name=name, created_at=known.created_at, updated_at=known.updated_at)
        stored = item.home.describe(course.held.value if course.held else None, slot=_slot(item)) if item.home else None
        outcomes.append(Outcome(item.plan, True, after, stored=stored, did=_did(item)))
        retired = [_retire(run, item, course.replaces)] if course.replaces else []
        superseded = [_supersede(run, item, key) for key in course.superseded] if item.home else []
        # In the order in which they happen.
        steps = [*superseded, *retired] if item.named_when_published else [*retired, *superseded]
        extras += [Outcome(step, True, step.after) for step in steps]
    return outcomes, extras


# -- before there is a key ---------------------------------------------------------------------------------------------


def _discard_leftovers(run: Run, item: Item) -> list[Outcome] | HoneycombError:
    done = []
    for key in item.course.leftovers:
        try:
            handover.carry_out(run, _discard(key))
            done.append(Outcome(_discard(key), True))
        except HoneycombError as exc:
            return HoneycombError(
                f"Deleting {key.id} ({key.name}), which a run that died has left, failed: {exc.message}",
                advice="No key was created for this item.",
            )
    return done


def _order(item: Item) -> Order:
    return Order(
        label=item.label,
        base=item.base,
        new=item.course.key,
        current_id=item.course.replaces.id if item.course.replaces else None,
    )


def _work(item: Item, created: CreatedKey | None) -> _Work:
    course = item.course
    key = created.key if created else course.key
    value = created.value if created else course.held.value if course.held else ""
    return _Work(
        base=item.base,
        claim=Claim(item.label, str(key.id), key.key_type, item.environment, value),
        key=key,
        home=item.home,
        before=item.before,
        replaced_id=item.before.live_id,
        item=item,
        created=created,
    )


# -- the steps ---------------------------------------------------------------------------------------------------------


def _enable(run: Run, works: t.Sequence[_Work]) -> None:
    def enable(work: _Work) -> None:
        wanted: dict[str, t.Any] = {"disabled": not work.item.enabled}
        if work.item.named_when_enabled:
            wanted["name"] = work.item.base
        handover.change(run, work, wanted)

    handover.each(run, works, enable)


def _accept(run: Run, works: t.Sequence[_Work]) -> None:
    handover.each(run, works, lambda work: handover.accept(run, work))


def _promote(run: Run, works: t.Sequence[_Work]) -> None:
    """Give the new key its name. The one before keeps working: who still uses it is not for this task to know."""

    def promote(work: _Work) -> None:
        if work.item.course.replaces:
            step = _retire(run, work.item, work.item.course.replaces)
            work.extras.append(Outcome(step, True, handover.carry_out(run, step)))
        handover.change(run, work, {"name": work.item.base})

    handover.each(run, works, promote)


def _shelve_superseded(run: Run, works: t.Sequence[_Work]) -> None:
    """Disable what runs that died have left enabled, now that another value is live."""

    def work_on(work: _Work) -> None:
        for key in work.item.course.superseded:
            step = _supersede(run, work.item, key)
            try:
                work.extras.append(Outcome(step, True, handover.carry_out(run, step)))
            except HoneycombError as exc:
                exc.message = _left_over(key, exc)
                raise

    handover.each(run, works, work_on)


def _supersede(run: Run, item: Item, key: ApiKey) -> Plan:
    return shelve_pending(item.base, key, run.now(), run.marks)


def _retire(run: Run, item: Item, key: ApiKey) -> Plan:
    name = run.marks.retired_name(item.base, Generation("current", key), run.now())
    return update_plan(key, {"name": name}, why="its value was missing")


def _left_over(key: ApiKey | None, error: HoneycombError) -> str:
    which = f"{key.id} ({key.name})" if key else "a key"
    return f"disabling {which}, which a run that died has left, failed: {error.message}"


def _discard(key: ApiKey) -> Plan:
    return delete_plan(key, why="nobody has its value", guarded=True)


# -- after a failure ---------------------------------------------------------------------------------------------------


def _never_enabled(run: Run, work: _Work) -> str:
    """A key whose value did not get home, and that was never enabled: nobody needs it."""
    if work.created is None:
        return "The key was left as it is. Fix the store, then rerun."
    try:
        handover.carry_out(run, _discard(work.created.key))
    except HoneycombError as exc:
        return f"The key was never enabled, but deleting it failed: {exc.message} The next run deletes it."
    return "The key was never enabled and was deleted again. Fix the store, then rerun."


def _enabled_or_not(run: Run, work: _Work) -> str:
    """A key whose value is kept goes on in the next run. One whose value only this run has is disabled."""
    home = work.item.home
    if isinstance(work.error, NotFound):
        # The slot would hold a value that is of no use to anybody.
        handover.settle(run, [Delivery(work.base, work.claim, work.key, home)])
        return "Another run, or a person, deleted the key. Rerun."
    if home and home.store.has_pending:
        return f"Its value is kept in the pending slot of {home.place}: rerun, and this key is used."
    if work.created is None:
        return "The key was left as it is; rerun when the cause is fixed."
    try:
        handover.put_away(run, work.item.base, work.key, "not used")
    except HoneycombError as exc:
        return f"Nobody has its value, and disabling the key failed: {exc.message} The next run does it."
    return "Nobody has its value, so the key was disabled and marked as stale. Rerun when the cause is fixed."


def _published_or_not(run: Run, work: _Work) -> str:
    """A store without a pending slot may have the value although it said otherwise: readers may use it then."""
    home = t.cast(Home, work.item.home)
    if not home.store.has_pending:
        slots = look_at([home], 1, writing=False)[home]
        if isinstance(slots, HoneycombError):
            return f"The key is enabled, and {home.place} may hold its value. Rerun: it is used, or replaced."
        if slots.live == work.claim.value:
            return _unfinished(run, work)
    return _enabled_or_not(run, work)


def _unfinished(_run: Run, _work: _Work) -> str:
    return "The key is enabled and its value is live. Rerun, and the rest is done."


_LAST_STEPS = (
    _Step(lambda item: item.home is not None, _shelve_superseded, _unfinished),
    _Step(lambda item: item.named_when_published, _promote, _unfinished),
    # What is left of a run that dies is found by its name, or by the value in the pending slot. So this comes last.
    _Step(lambda item: item.staged and item.enabled, handover.settle, _unfinished),
)
_STEPS = (
    _Step(
        lambda item: item.course.creates or item.course.action in ("finish", "replace"), handover.stage, _never_enabled
    ),
    _Step(lambda item: item.course.action != "publish", _enable, _enabled_or_not),
    _Step(lambda item: item.enabled, _accept, _enabled_or_not),
    _Step(lambda item: item.course.replaces is not None and item.staged, _promote, _enabled_or_not),
    _Step(lambda item: item.home is not None and item.enabled, handover.publish, _published_or_not),
    *_LAST_STEPS,
)


# -- results -----------------------------------------------------------------------------------------------------------


def _slot(item: Item) -> str:
    return "live" if item.enabled else "pending"


def _did(item: Item) -> str:
    return {"finish": "create", "publish": "store"}.get(item.course.action, item.course.action)


def _outcome(work: _Work) -> Outcome:
    item = work.item
    if work.error is not None:
        return Outcome(item.plan, changed=True, error=work.error, did=_did(item))
    stored = item.home.describe(work.claim.value, work.version, _slot(item)) if item.home else None
    return Outcome(item.plan, True, work.key, _created(work), stored=stored, did=_did(item))


def _created(work: _Work) -> CreatedKey | None:
    """The key as a new one, whether this run created it or one that died."""
    if work.created or work.item.course.action == "publish":
        return replace(work.created, key=work.key) if work.created else None
    value, key_id = work.claim.value, work.claim.key_id
    return CreatedKey(work.key, value[len(key_id) :] if begins_with_id(value, key_id) else value)
