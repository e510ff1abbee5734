# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The generations of a rotated key, and the marks in names by which they are told apart."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass
from datetime import datetime, timezone

from .._api.resources import NAME_LENGTH, ApiKey
from .._errors import InputError
from .._time import describe_seconds, format_timestamp, parse_timestamp
from .plan import check_name

_STAMP = "%Y%m%dT%H%M%SZ"


_WORD = r"[A-Za-z0-9_-]{1,20}"


@dataclass(frozen=True)
class Marks:
    """The words in the names. Change them only while no generation carries the old ones."""

    pending: str = "pending"
    retired: str = "retired"
    restored: str = "restored"
    stale: str = "stale"

    def check(self) -> None:
        options = ("pending", "retired", "restored", "stale")
        words = [getattr(self, option) for option in options]
        for option, word in zip(options, words):
            if not re.fullmatch(_WORD, word):
                raise InputError(f"marks.{option}: {word!r} has to be 1 to 20 letters, digits, - or _.")
        if len(set(words)) != len(words):
            raise InputError(f"marks: the words have to differ, but they are {', '.join(words)}.")

    def pending_name(self, base: str) -> str:
        return f"{base} [{self.pending}]"

    def retired_name(self, base: str, key: ApiKey, moment: datetime) -> str:
        return f"{base} [{self._word(base, key)} {moment.strftime(_STAMP)}]"

    def off_name(self, base: str, key: ApiKey, moment: datetime) -> str:
        return f"{base} [{self._word(base, key)} {moment.strftime(_STAMP)} off]"

    def _word(self, base: str, key: ApiKey) -> str:
        """A key that has only been pending never was the current one."""
        never_current = key.name == self.pending_name(base) or key.name.startswith(f"{base} [{self.stale} ")
        return self.stale if never_current else self.retired

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
                f"name: {base!r} has {len(base)} characters; with the marks of a rotation a name may have {self.longest_base()}, "
                f"since a key's name has at most {NAME_LENGTH}. Rename the key, or choose shorter marks."
            )
        if re.search(
            rf" \[({self.pending}|({self.retired}|{self.stale}|{self.restored}) \d{{8}}T\d{{6}}Z( off)?)\]$", base
        ):
            raise InputError(f"name: {base!r} ends with a mark of a rotation. Give the name without it.")

    def read(self, base: str, key: ApiKey) -> Generation | None:
        """Which generation of C(base) a key is; C(None) when it is none."""
        if key.name == base:
            return Generation("current", key, None)
        if key.name == self.pending_name(base):
            return Generation("pending", key, None)
        if not key.name.startswith(f"{base} ["):
            return None
        match = re.fullmatch(
            rf"\[({self.retired}|{self.stale}|{self.restored}) (\d{{8}}T\d{{6}}Z)( off)?\]", key.name[len(base) + 1 :]
        )
        if not match:
            return None
        word, stamp, off = match.groups()
        try:
            since = datetime.strptime(stamp, _STAMP).replace(tzinfo=timezone.utc)
        except ValueError:
            return None
        if word == self.restored:
            return None if off else Generation("restored", key, since)
        if key.disabled:
            # However it was disabled, the later of mark and last change is when, at the latest.
            changed = parse_timestamp(key.updated_at)
            return Generation("off", key, max(since, changed) if changed else since, word == self.stale)
        return Generation("restored" if off else "retired", key, since, word == self.stale)


@dataclass(frozen=True)
class Generation:
    """One key of a rotation.

    :param since: Since when it has been what it is, where its name tells.
    :param stale: It never was the current key.
    """

    kind: str
    key: ApiKey
    since: datetime | None
    stale: bool = False

    @property
    def enabled(self) -> bool:
        return not self.key.disabled


def generations_of(base: str, listing: t.Iterable[ApiKey], marks: Marks) -> tuple[Generation, ...]:
    """The generations of one logical key, oldest first. C(listing) is of one type and environment."""
    found = (marks.read(base, key) for key in listing)
    return tuple(sorted((entry for entry in found if entry), key=lambda entry: entry.key.order))


def generation_row(entry: Generation, now: datetime) -> dict[str, t.Any]:
    """A generation as modules return it."""
    created = parse_timestamp(entry.key.created_at)
    return {
        "id": entry.key.id,
        "name": entry.key.name,
        "kind": entry.kind,
        "enabled": entry.enabled,
        "created_at": entry.key.created_at,
        "since": format_timestamp(entry.since) if entry.since else None,
        "age": describe_seconds(max(0.0, (now - created).total_seconds())) if created else None,
    }
