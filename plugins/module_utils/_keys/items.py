# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""From the keys that a task wants, and their stores, to what comes next for each of them."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from .._api.resources import ApiKey, Environment
from .._errors import HoneycombError, InputError
from .._stores.store import Slots
from . import handover
from .generations import Listing
from .handover import Run
from .homes import Address, Home, Homes, look
from .plan import Plan, Wanted, create_plan, label_of
from .plan_many import RefusedItems
from .present import Item
from .values import Course, Situation, decide, guesses, owner


def find_homes(
    homes: Homes,
    wanted: t.Sequence[Wanted],
    plans: t.Sequence[Plan],
    dictionaries: t.Sequence[t.Mapping[str, t.Any] | None],
    environments: t.Mapping[str, Environment],
) -> dict[int, Home]:
    """Where the values of keys belong, by the position of the items. A key that is to be deleted has no home.

    :param dictionaries: The store of each, or ``None``.
    :param environments: Those that are known, by id.
    :raises RefusedItems: A dictionary is wrong, or two values have one place.
    """
    found: dict[int, Home] = {}
    refused: dict[int, str] = {}
    for position, (entry, plan, dictionary) in enumerate(zip(wanted, plans, dictionaries)):
        if not dictionary or plan.after is None:
            continue
        try:
            if entry.state == "pending":
                raise InputError(
                    f"{entry.label}state: with a store, the value gets home within the task. Use state=present, or "
                    "omit store to store the value yourself."
                )
            slug = _environment(entry, plan, environments).slug
            found[position] = homes.find(dictionary, Address(plan.after.name, slug, plan.after.key_type, entry.label))
        except InputError as exc:
            refused[position] = exc.message
    if refused:
        raise RefusedItems(refused, len(plans))
    return found


def decide_values(
    run: Run,
    wanted: t.Sequence[Wanted],
    plans: t.Sequence[Plan],
    homes: t.Mapping[int, Home],
    existing: t.Sequence[ApiKey],
    on_missing: t.Sequence[str],
    environments: t.Mapping[str, Environment],
) -> list[Item | None]:
    """What comes next for the value of each key; ``None`` for a key that has no value to take care of.

    :param homes: Where values belong, by the position of the items.
    :param environments: Those that are known, by id.
    :raises RefusedItems: Some can't be done, or a store can't be used. Nothing was written.
    """
    found = look(list(homes.values()), run.concurrency, writing=True)
    listing = Listing(existing)
    refused: dict[int, str] = {}
    situations: dict[int, Situation] = {}
    for position, (entry, plan) in enumerate(zip(wanted, plans)):
        home = homes.get(position)
        if plan.after is None or not (home or (entry.state == "pending" and plan.action == "create")):
            continue
        slots = found[home] if home else None
        if isinstance(slots, HoneycombError):
            refused[position] = f"{entry.label}{slots.message}"
            continue
        try:
            environment = _environment(entry, plan, environments)
            situations[position] = _situation(run, entry, plan, home, slots, listing, environment)
        except InputError as exc:
            refused[position] = exc.message
    asked = _look_again(run, dict(zip(situations, handover.check_live(run, list(situations.values())))))
    items: list[Item | None] = [None] * len(plans)
    for position, situation in asked.items():
        try:
            _refuse_overtaken(situation)
            course = decide(situation, on_missing[position])
            if course.replaces and wanted[position].id:
                raise InputError(
                    f"{situation.label}on_missing: key {wanted[position].id} is given by its id, and a replacement has "
                    "another one: the next run would replace the key again. Give name, key_type and environment in "
                    "place of id."
                )
            if course.creates:
                run.marks.check_base(situation.base)
        except InputError as exc:
            refused[position] = exc.message
            continue
        environment = _environment(wanted[position], plans[position], environments)
        items[position] = _item(run, plans[position], homes.get(position), situation, course, environment)
    if refused:
        raise RefusedItems(dict(sorted(refused.items())), len(plans))
    return items


def _look_again(run: Run, situations: dict[int, Situation]) -> dict[int, Situation]:
    """Where whose value it is has to be guessed from the pending keys, list those that there are now.

    Another run may have created its key and published its value between the listing and the look into the store.
    """
    guessing = {position for position, situation in situations.items() if guesses(situation)}
    if not guessing:
        return situations
    listing = Listing(run.client.list_keys())
    return {
        position: replace(situation, listing=listing) if position in guessing else situation
        for position, situation in situations.items()
    }


def _refuse_overtaken(situation: Situation) -> None:
    """Refuse to create a key that another run has created meanwhile."""
    current = [entry.key.id for entry in situation.generations if entry.kind == "current"]
    if situation.wanted.id is None and current:
        raise InputError(f"{situation.label}another run was faster: {situation.base!r} is now key {current[0]}. Rerun.")


def _environment(entry: Wanted, plan: Plan, environments: t.Mapping[str, Environment]) -> Environment:
    """The environment of a key, as far as it is known: a task may give a key by its id only."""
    environment_id = t.cast(ApiKey, plan.after).environment_id
    return entry.environment or environments.get(environment_id) or Environment(environment_id)


def _situation(
    run: Run,
    entry: Wanted,
    plan: Plan,
    home: Home | None,
    slots: Slots | None,
    listing: Listing,
    environment: Environment,
) -> Situation:
    after = t.cast(ApiKey, plan.after)
    if home and not home.store.has_pending and after.disabled and plan.action == "create":
        raise InputError(
            f"{entry.label}state: a store of type {home.store.type} has no pending slot here, so it can't keep the "
            "value of a disabled key. Use state=present, or give the store write_pending and read_pending."
        )
    return Situation(
        base=after.name,
        wanted=after,
        slots=slots,
        listing=listing,
        marks=run.marks,
        place=home.place if home else "",
        label=entry.label,
        unseen=bool(plan.key and plan.key.disabled),
        slug=environment.slug,
        has_pending=home is None or home.store.has_pending,
    )


def _item(
    run: Run, plan: Plan, home: Home | None, situation: Situation, course: Course, environment: Environment
) -> Item:
    after = t.cast(ApiKey, plan.after)
    if course.action == "keep" and plan.action == "create":
        plan = Plan("none", course.key, course.key, label=plan.label)
    elif home is None:
        # It stays pending until the user has stored its value, and says so.
        plan = create_plan(replace(after, name=run.marks.pending_name(after.name)), label=plan.label)
    return Item(
        plan=plan,
        base=situation.base,
        label=label_of(after.key_type, situation.base, environment),
        environment=environment,
        course=course,
        home=home,
        before=replace(situation.slots or Slots(), live_id=owner(situation)),
    )
