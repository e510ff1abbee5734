# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""Pure decisions about a key and its value: what there is at Honeycomb and in the store, and so what comes next.

A key goes live under its own name only when its value is at home, and a value goes to the live slot only when Honeycomb
accepts it. Whatever a run that died has left, the next one reads it from the names and from the pending slot:

============================  =========================  ===============================================================
keys                          the store                  what comes next
============================  =========================  ===============================================================
none                          -                          create
``NAME [pending]``            pending slot: its value    finish: the same key gets its name, its value is published
``NAME [pending]``, disabled  anything else              discard it, create another: nobody has its value
``NAME [pending]``, enabled   anything else              create another, disable it when that one is live
the same, and a retired one   anything else              keep: a rotation has to finish its promotion
that is younger than it
``NAME``                      live slot: its value       keep
``NAME``                      pending slot: its value    publish: only the last step is missing
``NAME``                      live slot: of a pending    keep: a rotation, or an operator, is at work
                              or restored generation
``NAME``                      anything else              missing: ``on_missing`` decides
============================  =========================  ===============================================================
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from .._api.client import ValueCheck
from .._api.resources import ApiKey, granted_permissions
from .._errors import InputError
from .._stores.store import Held, Slots
from .._time import parse_timestamp
from .generations import LEFT_OVER, Generation, Listing, Marks, generations_of, shelve
from .plan import Plan

ON_MISSING = ("fail", "ignore", "replace")

# What can be the value of a key, and so may be sent to Honeycomb to find out.
_PLAUSIBLE = re.compile(r"[A-Za-z0-9_-]{20,128}")


@dataclass(frozen=True)
class Course:
    """What is to be done so that a key is there and its value at home.

    :param action: ``keep``, ``create``, ``finish``, ``publish`` or ``replace``.
    :param key: The key whose value comes home; where ``held`` is ``None``, as it is to be created.
    :param held: Its value, where the store has it.
    :param leftovers: Disabled pending keys whose values nobody has: deleted first.
    :param superseded: Other pending keys that are not used: disabled when the new value is live.
    :param replaces: The current key that ``replace`` retires.
    :param settle: The pending slot still holds the value of this key, which is live.
    """

    action: str
    key: ApiKey
    held: Held | None = None
    leftovers: tuple[ApiKey, ...] = ()
    superseded: tuple[ApiKey, ...] = ()
    replaces: ApiKey | None = None
    settle: bool = False

    @property
    def creates(self) -> bool:
        return self.action in ("create", "replace") and self.held is None


@dataclass(frozen=True)
class Situation:
    """Everything that a decision about one key's value is based on.

    :param base: The key's own name.
    :param wanted: The key as the task wants it, with its id where it exists.
    :param unseen: The key is disabled now, so Honeycomb refuses its value and can't tell whose it is.
    :param slots: What the store holds; ``None`` without a store.
    :param has_pending: Whether the store has a pending slot.
    :param listing: The team's keys.
    :param live_check: What Honeycomb says of the live value, where :func:`has_to_ask`.
    :param team: The team's slug, and ``slug`` the environment's, to compare with what Honeycomb says of the value.
    :param place: Where the value belongs, for messages.
    :param label: What to begin a message with.
    """

    base: str
    wanted: ApiKey
    slots: Slots | None
    listing: Listing
    live_check: ValueCheck | None = None
    marks: Marks = field(default_factory=Marks)
    place: str = ""
    label: str = ""
    unseen: bool = False
    has_pending: bool = True
    team: str | None = None
    slug: str | None = None

    @cached_property
    def generations(self) -> tuple[Generation, ...]:
        return generations_of(self.base, self.listing.family_of(self.wanted, self.base), self.marks)


def begins_with_id(value: str, key_id: str | None) -> bool:
    """Whether it is the value of the ingest key with this id."""
    return bool(key_id) and value.startswith(str(key_id)) and len(value) > len(str(key_id))


def held_for(slots: Slots, key_id: str | None) -> Held | None:
    """The value of this key in the pending slot."""
    return slots.pending if slots.pending and key_id and slots.pending.key_id == key_id else None


def _told_by_text(situation: Situation) -> str | None:
    """The id of the key that the live value belongs to, where the slots or the value itself tell."""
    slots = situation.slots or Slots()
    if slots.live is None or slots.live_id is not None:
        return slots.live_id
    for held in (slots.pending, slots.previous):
        if held and held.key_id and held.value == slots.live:
            return held.key_id
    told = next((key_id for key_id in situation.listing.by_id if begins_with_id(slots.live, key_id)), None)
    # The beginning is not the whole value.
    spoiled = held_for(slots, told) is not None
    return None if spoiled else told


def has_to_ask(situation: Situation) -> bool:
    """Whether only Honeycomb can tell whose the live value is."""
    live = situation.slots.live if situation.slots else None
    return live is not None and _told_by_text(situation) is None and _PLAUSIBLE.fullmatch(live) is not None


def owner(situation: Situation) -> str | None:
    """The id of the key that the live value belongs to; ``None`` where it is of no key that is known.

    The value of a configuration key does not tell. If Honeycomb accepts it, for this type, team and environment, it is
    taken for this key's, unless the service names another one. Where there is no such key yet, it is taken for that of
    the newest enabled pending key: a run has published it in a store without a pending slot, and died.
    """
    told = _told_by_text(situation)
    check, wanted = situation.live_check, situation.wanted
    if told is None and check is None and has_to_ask(situation) and situation.unseen:
        return wanted.id if wanted.key_type == "configuration" else None
    if told is not None or check is None:
        return told
    if check.id in situation.listing.by_id:
        return check.id
    fits = (
        check.key_type == wanted.key_type == "configuration"
        and check.team.get("slug") == situation.team
        and (situation.slug is None or check.environment.get("slug") == situation.slug)
    )
    if not fits or not guesses(situation):
        return wanted.id if fits else None
    nameless = [entry.key.id for entry in situation.generations if entry.kind == "pending" and entry.enabled]
    return nameless[-1] if nameless else None


def guesses(situation: Situation) -> bool:
    """Whether :func:`owner` takes the live value for a pending key's. The listing has to be younger than the slots."""
    return situation.wanted.id is None and not situation.has_pending and situation.live_check is not None


def decide(situation: Situation, on_missing: str) -> Course:
    """What comes next for one key that is wanted, enabled or disabled. Pure.

    :param on_missing: What to do about a key whose value is not in the store; see :data:`ON_MISSING`.
    :raises InputError: It can't be done, or a person has to decide.
    """
    wanted, slots = situation.wanted, situation.slots or Slots()
    pending = [entry.key for entry in situation.generations if entry.kind == "pending" and entry.key.id != wanted.id]
    live_id = owner(situation)
    if wanted.id is None:
        promoted = _being_promoted(situation)
        if promoted is not None and live_id != promoted.id and held_for(slots, promoted.id) is None:
            return Course("keep", promoted)
        course = _new(situation, pending, live_id, "create")
    elif situation.slots is None or wanted.disabled:
        return Course("keep", wanted)
    elif (held := held_for(slots, wanted.id)) is not None:
        # The run that staged it did not finish, so it may have left what its key supersedes.
        _leftovers, superseded = _sorted_out(situation, pending, live_id)
        if live_id == wanted.id:
            return Course("keep", wanted, settle=True, superseded=superseded)
        course = Course("publish", wanted, held, superseded=superseded)
    elif live_id == wanted.id or (
        live_id in _at_work(situation) and not (on_missing == "replace" and _nameless(situation, pending, live_id))
    ):
        return Course("keep", wanted)
    elif on_missing == "replace":
        course = replace(_new(situation, pending, live_id, "replace"), replaces=wanted)
    elif on_missing == "ignore":
        return Course("keep", wanted)
    else:
        raise InputError(f"{situation.label}{foreign(situation, live_id) or _missing(situation)}")
    trouble = foreign(situation, live_id)
    if trouble:
        raise InputError(f"{situation.label}{trouble}")
    return course


def _at_work(situation: Situation) -> set[str | None]:
    """Generations whose value may be live although they are not the current key."""
    return {entry.key.id for entry in situation.generations if entry.enabled and entry.kind in ("pending", "restored")}


def _being_promoted(situation: Situation) -> ApiKey | None:
    """The pending key that a rotation has deployed, and was about to name: the one before is retired already."""
    generations = situation.generations
    for entry in generations:
        created = parse_timestamp(entry.key.created_at)
        replaced = any(
            other.mark == "retired" and created and other.since and other.since >= created for other in generations
        )
        if entry.kind == "pending" and entry.enabled and replaced:
            return entry.key
    return None


def _nameless(situation: Situation, pending: t.Iterable[ApiKey], live_id: str | None) -> bool:
    """Whether a run that died has published the value of a pending key, in a store without a pending slot."""
    return not situation.has_pending and live_id in [key.id for key in pending]


def _new(situation: Situation, pending: t.Sequence[ApiKey], live_id: str | None, action: str) -> Course:
    """Create a key, or go on with one that a run that died has left."""
    slots = situation.slots or Slots()
    at_home = _at_home(situation, live_id)
    found = [key for key in pending if key.id in at_home and _usable(situation, key)]
    # Readers of the store have the value that is live, so its key comes first.
    for key in sorted(found, key=lambda key: key.disabled or key.id != live_id):
        held = held_for(slots, key.id) or Held(str(slots.live), key.id)
        rest = [other for other in pending if other.id != key.id]
        return Course("finish" if action == "create" else action, key, held, *_sorted_out(situation, rest, live_id))
    new = replace(
        situation.wanted,
        id=None,
        name=situation.marks.pending_name(situation.base),
        disabled=True,
        created_at=None,
        updated_at=None,
    )
    return Course(action, new, None, *_sorted_out(situation, pending, live_id))


def _at_home(situation: Situation, live_id: str | None) -> set[str | None]:
    """The keys whose values the store has."""
    slots = situation.slots or Slots()
    return {live_id if slots.live else None, slots.pending.key_id if slots.pending else None} - {None}


def _usable(situation: Situation, key: ApiKey) -> bool:
    """Whether a pending key is what is wanted now. One that is enabled may be in use, whatever it may do."""
    return not key.disabled or granted_permissions(key) == granted_permissions(situation.wanted)


def _sorted_out(
    situation: Situation, pending: t.Sequence[ApiKey], live_id: str | None
) -> tuple[tuple[ApiKey, ...], tuple[ApiKey, ...]]:
    """Pending keys that are not used: those to be deleted first, and those to be disabled last."""
    at_home = _at_home(situation, live_id)
    leftovers = tuple(key for key in pending if key.disabled and key.id not in at_home)
    return leftovers, tuple(key for key in pending if key not in leftovers)


def _missing(situation: Situation) -> str:
    live = situation.slots and situation.slots.live
    holds = "holds a value, but not that of this key" if live else "holds no value"
    return (
        f"key {situation.wanted.id} ({situation.base}) exists, but {situation.place} {holds}. "
        "Honeycomb shows a value only once. Set on_missing=replace to replace the key with a new one whose value is "
        "stored, or on_missing=ignore if its value is kept elsewhere."
    )


def foreign(situation: Situation, live_id: str | None) -> str | None:
    """Whether the live value is one that somebody else uses, so that it must not be overwritten: the sentence."""
    own = {entry.key.id for entry in situation.generations}
    if live_id is not None and live_id not in own:
        other = situation.listing.by_id.get(live_id)
        if other is not None and not other.disabled:
            return (
                f"{situation.place} holds the value of another key, {other.id} ({other.name}), which is enabled. "
                "Nothing was changed; give each key a place of its own."
            )
    elif live_id is None and situation.live_check is not None:
        environment = situation.live_check.environment.get("slug")
        kind = situation.live_check.key_type
        return (
            f"{situation.place} holds a value that Honeycomb accepts as a {kind} key of environment {environment}, and "
            f"that is not a key {situation.base!r}. Nothing was changed; give this key another place, or empty this "
            "one."
        )
    return None


def plan_confirmation(plan: Plan, listing: Listing, marks: Marks, now: datetime) -> list[Plan]:
    """What else is due where a pending key gets its own name, because the user has stored its value.

    :returns: The pending keys that runs which died have left: they are disabled now that another value is in use.
    :raises InputError: Another key has the name already.
    """
    key, after = plan.key, plan.after
    if not (key and after and key.name == marks.pending_name(after.name)):
        return []
    family = generations_of(after.name, listing.family_of(key, after.name), marks)
    kin = [entry for entry in family if entry.key.id != key.id]
    taken = next((entry.key.id for entry in kin if entry.kind == "current"), None)
    if taken:
        raise InputError(
            f"{plan.label}name: key {taken} is called {after.name!r} already, so {key.id} can't be. Nothing was "
            f"changed; delete {key.id} if another run was faster."
        )
    return [shelve(after.name, entry, now, marks, LEFT_OVER) for entry in kin if entry.kind == "pending"]
