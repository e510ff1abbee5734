# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""The generations of a rotated key, and the marks in names by which they are told apart."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, fields
from datetime import datetime, timezone

from .._api.resources import NAME_LENGTH, ApiKey
from .._errors import InputError
from .._time import parse_timestamp
from .plan import Plan, check_name, place_of, update_plan

_STAMP = "%Y%m%dT%H%M%SZ"
_WORD = r"[A-Za-z0-9_-]{1,20}"
# Why a key is put away that never was the current one.
LEFT_OVER = "left over from a run that did not finish"


@dataclass(frozen=True)
class Generation:
    """One key of a rotation, and how its name was read. Whoever wants to know asks this, and never the name again.

    :param kind: ``current``, ``pending``, ``retired``, ``off`` or ``restored``: what it is now.
    :param since: Since when it is what it is, as far as its name and its last change tell.
    :param marked: The time in its name. Unlike ``since``, it stays the same when somebody touches the key.
    :param mark: What its name says: a field of :class:`Marks`, or ``None`` for a name without a mark. It
        differs from the kind where a person enabled or disabled the key.
    """

    kind: str
    key: ApiKey
    since: datetime | None = None
    mark: str | None = None
    marked: datetime | None = None

    @property
    def enabled(self) -> bool:
        return not self.key.disabled

    @property
    def stale(self) -> bool:
        """It is left over from a run that did not finish, and never was the current key."""
        return self.mark == "stale"


@dataclass(frozen=True)
class Marks:
    """The words in the names. Change them only while no generation carries the old ones."""

    pending: str = "pending"
    retired: str = "retired"
    restored: str = "restored"
    stale: str = "stale"

    @classmethod
    def from_options(cls, words: t.Mapping[str, str | None] | None) -> Marks:
        """The words that the user chose, with the defaults for the others.

        :raises InputError: A word can't be used.
        """
        marks = cls(**{option: word for option, word in (words or {}).items() if word is not None})
        marks.check()
        return marks

    def words(self) -> dict[str, str]:
        """Each word by the option that chooses it."""
        return {option.name: getattr(self, option.name) for option in fields(self)}

    def check(self) -> None:
        words = self.words()
        for option, word in words.items():
            if not re.fullmatch(_WORD, word):
                raise InputError(f"marks.{option}: {word!r} is not a mark. Give 1 to 20 letters, digits, - or _.")
        if len(set(words.values())) != len(words):
            raise InputError(f"marks: the words have to differ, but they are {', '.join(words.values())}.")

    def pending_name(self, base: str) -> str:
        return f"{base} [{self.pending}]"

    def retired_name(self, base: str, entry: Generation, moment: datetime) -> str:
        return f"{base} [{self._word(entry)} {moment.strftime(_STAMP)}]"

    def off_name(self, base: str, entry: Generation, moment: datetime) -> str:
        return f"{base} [{self._word(entry)} {moment.strftime(_STAMP)} off]"

    def _word(self, entry: Generation) -> str:
        """A key that has only been pending never was the current one."""
        return self.stale if entry.mark in ("pending", "stale") else self.retired

    def restored_name(self, base: str, moment: datetime) -> str:
        return f"{base} [{self.restored} {moment.strftime(_STAMP)}]"

    def longest_base(self) -> int:
        """How long a name may be so that every marked form of it fits."""
        stamp = datetime.fromtimestamp(0, timezone.utc).strftime(_STAMP)
        endings = [f" [{self.pending}]", f" [{self.restored} {stamp}]"]
        endings += [f" [{word} {stamp} off]" for word in (self.retired, self.stale)]
        return NAME_LENGTH - max(len(ending) for ending in endings)

    def check_base(self, base: str) -> None:
        """Refuse a name whose generations could not be named, before anything is written."""
        check_name(base)
        if len(base) > self.longest_base():
            raise InputError(
                f"name: {base!r} has {len(base)} characters; with the marks of a rotation a name may have "
                f"{self.longest_base()}, since a key's name has at most {NAME_LENGTH}. Rename the key, or choose "
                "shorter marks."
            )
        if re.search(
            rf" \[({self.pending}|({self.retired}|{self.stale}|{self.restored}) \d{{8}}T\d{{6}}Z( off)?)\]$", base
        ):
            raise InputError(f"name: {base!r} ends with a mark of a rotation. Give the name without it.")

    def read(self, base: str, key: ApiKey) -> Generation | None:
        """Which generation of ``base`` a key is; ``None`` when it is none."""
        if key.name == base:
            return Generation("current", key)
        if key.name == self.pending_name(base):
            return Generation("pending", key, mark="pending")
        if not key.name.startswith(f"{base} ["):
            return None
        match = re.fullmatch(
            rf"\[({self.retired}|{self.stale}|{self.restored}) (\d{{8}}T\d{{6}}Z)( off)?\]", key.name[len(base) + 1 :]
        )
        if not match:
            return None
        word, stamp, off = match.groups()
        mark = next(option for option, chosen in self.words().items() if chosen == word)
        try:
            since = datetime.strptime(stamp, _STAMP).replace(tzinfo=timezone.utc)
        except ValueError:
            return None
        if mark == "restored":
            return None if off else Generation("restored", key, since, mark, since)
        if key.disabled:
            # However it was disabled, the later of mark and last change is when, at the latest.
            changed = parse_timestamp(key.updated_at)
            return Generation("off", key, max(since, changed) if changed else since, mark, since)
        return Generation("restored" if off else "retired", key, since, mark, since)


class Listing:
    """The team's keys, arranged so that those of one name are found without reading through all of them."""

    def __init__(self, keys: t.Iterable[ApiKey]) -> None:
        self.by_id: dict[str, ApiKey] = {}
        self._by_name: dict[tuple[str | None, str | None, str | None], list[ApiKey]] = {}
        for key in keys:
            self.by_id[str(key.id)] = key
            name, key_type, environment_id = place_of(key)
            # Under the name that it has, and under the one that it would have without a mark.
            unmarked = name.rpartition(" [")[0]
            for base in (name,) if name == unmarked else (name, unmarked):
                self._by_name.setdefault((base, key_type, environment_id), []).append(key)

    def family(self, base: str | None, key_type: str | None, environment_id: str | None) -> list[ApiKey]:
        """The keys among which the generations of ``base`` are: of this name, and of this name with something after."""
        return self._by_name.get((base, key_type, environment_id), [])

    def family_of(self, key: ApiKey, base: str) -> list[ApiKey]:
        """The family of a key, whatever its name is now."""
        return self.family(base, key.key_type, key.environment_id)


def generations_of(base: str, listing: t.Iterable[ApiKey], marks: Marks) -> tuple[Generation, ...]:
    """The generations of one logical key, oldest first. ``listing`` is of one type and environment."""
    found = (marks.read(base, key) for key in listing)
    return tuple(sorted((entry for entry in found if entry), key=lambda entry: entry.key.order))


def shelve(base: str, entry: Generation, now: datetime, marks: Marks, why: str) -> Plan:
    """Mark a key as disabled by the rotation, and make it so. Its grace period begins now."""
    return update_plan(entry.key, {"name": marks.off_name(base, entry, now), "disabled": True}, why=why)


def let_go(base: str, entry: Generation, now: datetime, marks: Marks, why: str) -> Plan:
    """Take its name away from a key that a run gives up, and leave it enabled: a consumer may have its value."""
    return update_plan(entry.key, {"name": marks.retired_name(base, entry, now)}, why=why)


def shelve_pending(base: str, key: ApiKey, now: datetime, marks: Marks, why: str = LEFT_OVER) -> Plan:
    """The same for a key that is pending."""
    return shelve(base, Generation("pending", key, mark="pending"), now, marks, why)


def lost_race(
    base: str, own: ApiKey, old_id: str | None, before: t.Collection[str], listing: t.Iterable[ApiKey], marks: Marks
) -> str | None:
    """After staging: whether another run was first. The listing has to be younger than the second ``own`` is of.

    :param before: Ids that were there before; a pending key among them is a leftover, not a competitor.
    :returns: Why this run has to stop, or ``None``.
    """
    generations = generations_of(base, listing, marks)
    for entry in generations:
        if entry.kind == "pending" and entry.key.id not in before and entry.key.order < own.order:
            return f"another run was a moment faster: it created key {entry.key.id}"
    current = [entry.key.id for entry in generations if entry.kind == "current"]
    if current != ([old_id] if old_id else []):
        return f"another run was faster: {base!r} is now key {', '.join(map(str, current)) or 'in transition'}"
    return None
