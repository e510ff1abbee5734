# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""Pure decisions about a set of keys. ``plan.py`` plans each item; this file handles what only a set can get wrong."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import datetime

from .._api.resources import ApiKey, Environment
from .._errors import InputError
from .generations import Listing, Marks
from .plan import Plan, Wanted, delete_plan, place_of, plan_key, refuse_expired, update_plan, wanted_place

R = t.TypeVar("R")

# How many items the message of a task describes; its result has all of them.
_MOST_TOLD = 5


class RefusedItems(InputError):
    """Some items can't be done; nothing was written. ``refused`` holds the messages by index."""

    def __init__(self, refused: dict[int, str], count: int) -> None:
        told = " ".join(list(refused.values())[:_MOST_TOLD])
        more = f" And {len(refused) - _MOST_TOLD} more: see failed_items." if len(refused) > _MOST_TOLD else ""
        super().__init__(f"Nothing was written: {len(refused)} of {count} items can't be done. {told}{more}")
        self.refused = refused


@dataclass(frozen=True)
class Purge:
    """What to do about keys that are not listed. ``action`` is ``disable`` or ``delete``."""

    action: str
    environment_id: str
    key_type: str
    prefix: str = ""
    marks: Marks = Marks()
    # Whether it may take every key in its scope.
    everything: bool = False


def check_purge(purge: str, prefix: str | None, purge_all: bool, wanted: t.Iterable[Wanted]) -> None:
    """Refuse a purge that may take more than the user means: before any request.

    :param purge: ``none``, ``disable`` or ``delete``.
    :raises InputError: naming the option.
    """
    if prefix == "":
        raise InputError(
            "purge_prefix: it is empty, so every name begins with it. Omit it, or give the beginning of the names."
        )
    if purge == "none":
        for option, given in (("purge_prefix", prefix), ("purge_all", purge_all)):
            if given:
                raise InputError(f"{option}: it has no effect without purge. Set purge, or omit {option}.")
    elif not purge_all and all(entry.state == "absent" for entry in wanted):
        raise _purges_everything(purge, prefix)


def _purges_everything(action: str, prefix: str | None) -> InputError:
    which = f"every key whose name begins with {prefix!r}" if prefix else "every key"
    return InputError(
        f"purge: api_keys lists no key to keep, so {which} of this environment and type would be {action}d. Nothing "
        "was changed. Check that api_keys is not empty by mistake; if you mean it, set purge_all=true."
    )


def for_each(work: t.Callable[[Wanted], R], wanted: t.Sequence[Wanted]) -> list[R]:
    """Call ``work`` for each item.

    :raises RefusedItems: for all refused items together, so that a user can correct them in one go.
    """
    results: list[R] = []
    refused: dict[int, str] = {}
    for index, entry in enumerate(wanted):
        try:
            results.append(work(entry))
        except InputError as exc:
            refused[index] = exc.message
    if refused:
        raise RefusedItems(refused, len(wanted))
    return results


def plan_keys(
    wanted: t.Sequence[Wanted],
    existing: t.Iterable[ApiKey],
    now: datetime,
    known: t.Mapping[str, Environment] | None = None,
) -> list[Plan]:
    """A plan for each item.

    :param existing: Every key that an item can mean.
    :param known: Environments by id, for messages.
    :param now: The service's time.
    :raises RefusedItems: Items that can't be done, or not together.
    """
    listing = Listing(existing)

    def plan(entry: Wanted) -> Plan:
        # Narrowed down, since otherwise each item would search thousands of keys.
        if entry.id is None:
            candidates = listing.family(*wanted_place(entry))
        else:
            candidates = [key for key in [listing.by_id.get(entry.id)] if key]
        result = plan_key(entry, candidates, known)
        refuse_expired(result, now)
        return result

    plans = for_each(plan, wanted)
    _refuse_conflicts(wanted, plans)
    return plans


def _claims(wanted: Wanted, plan: Plan) -> dict[t.Any, str]:
    """What an item is about: keys by their id, and names. Each with a description for people."""
    places: set[tuple[str | None, ...]] = {place_of(plan.after)} if plan.after else set()
    if wanted.id is None:
        places.add(wanted_place(wanted))
    ids = {wanted.id, plan.key and plan.key.id} - {None}
    return {
        **{key_id: f"key {key_id}" for key_id in ids},
        **{place: f"the {place[1]} key {place[0]!r} of this environment" for place in places},
    }


def _refuse_conflicts(wanted: t.Sequence[Wanted], plans: t.Sequence[Plan]) -> None:
    first: dict[t.Any, str] = {}
    refused: dict[int, str] = {}
    for index, (entry, plan) in enumerate(zip(wanted, plans)):
        for claim, words in _claims(entry, plan).items():
            if claim in first:
                refused[index] = f"{entry.label}{words} is already listed as {first[claim]}. Keep one of the two."
                break
            first[claim] = entry.label.rstrip(": ")
    if refused:
        raise RefusedItems(refused, len(wanted))


def plan_purge(purge: Purge, plans: t.Sequence[Plan], existing: t.Iterable[ApiKey]) -> list[Plan]:
    """What to do about the keys that no item mentions, oldest first.

    Other keys of the name that an item keeps, and its generations in a rotation, are left alone. Only names that are
    there afterwards count: another run has to find the same.

    :raises InputError: No item keeps a key in the purge's scope, and the user did not say that this is meant.
    """
    kept = [plan.after for plan in plans if plan.after and _in_scope(purge, plan.after)]
    if not purge.everything and not any(key.name.startswith(purge.prefix) for key in kept):
        raise _purges_everything(purge.action, purge.prefix)
    ids = {key.id for plan in plans for key in (plan.key, plan.after) if key}
    names = {key.name for key in kept}

    def not_listed(key: ApiKey) -> bool:
        base = key.name.rpartition(" [")[0]
        return (
            _in_scope(purge, key)
            and key.name.startswith(purge.prefix)
            and key.id not in ids
            and key.name not in names
            and not (base in names and purge.marks.read(base, key))
        )

    found = sorted((key for key in existing if not_listed(key)), key=lambda key: key.order)
    if purge.action == "delete":
        return [delete_plan(key) for key in found]
    return [update_plan(key, {"disabled": True}) for key in found if not key.disabled]


def _in_scope(purge: Purge, key: ApiKey) -> bool:
    return (key.environment_id, key.key_type) == (purge.environment_id, purge.key_type)


def action_of(plan: Plan) -> str:
    """The plan's action in one word for people: an update that only enables or disables a key has a name of its own."""
    if plan.action == "update" and list(plan.changes) == ["disabled"]:
        return "disable" if plan.changes["disabled"] else "enable"
    return plan.action
