# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""What a store of values is: one container (a file, a secret) with room for one value or for several.

Each value has three slots. Applications read the *live* one. The *pending* one holds a new value until Honeycomb
accepts it, and until its key has its own name; a run that died is continued from it. The *previous* one holds what was
live before, so that it can be brought back.

A store only moves values. Whether one may go live, and whether it arrived, is checked in ``_keys/handover.py``, which
reads back whatever it wrote. So a new store is one class with five methods, and the tests of a store are the same for
all: see ``tests/stores/conformance.py``.
"""

from __future__ import annotations

import hashlib
import re
import threading
import typing as t
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from .._errors import HoneycombError

S = t.TypeVar("S")


class StoreError(HoneycombError):
    """A store did not do what it was asked for. The message names the place and never holds a value."""


class StoreConflict(StoreError):
    """Somebody else changed a place since it was read. Nothing was written."""


@dataclass(frozen=True)
class Held:
    """A value in a store, and the key it belongs to. The live slot has no room for an id: it is the application's.

    :param value: What an application uses, a secret.
    :param key_id: ``None`` where it is not known.
    """

    value: str = field(repr=False)
    key_id: str | None = None


@dataclass(frozen=True)
class Slots:
    """What a place holds.

    :param live: The value that applications read; ``None`` where there is none, or an empty one.
    :param version: The store's own version of the live value, where it has versions.
    :param live_id: The key whose value is live, where the store remembers it, and nobody has changed the value since.
    """

    live: str | None = field(default=None, repr=False)
    pending: Held | None = None
    previous: Held | None = None
    version: str | None = None
    live_id: str | None = None


@dataclass(frozen=True)
class Publication:
    """A value that goes live.

    :param expected: The live value it replaces, as it was read. Where another one is live now, it is a conflict.
    :param replaced_id: The id of the key whose value it replaces, where it is known. It is kept in the previous slot.
    """

    new: Held
    expected: str | None = field(default=None, repr=False)
    replaced_id: str | None = None


class Sessions:
    """Connections that the stores of one task share, such as one login for a hundred places."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[t.Hashable, t.Any] = {}

    def get(self, identity: t.Hashable, make: t.Callable[[], S]) -> S:
        """The session of this identity, made on first use."""
        with self._lock:
            if identity not in self._found:
                self._found[identity] = make()
            return t.cast(S, self._found[identity])


class Store(ABC):
    """One container. Its entries are named by texts; where the whole container is one value, the entry is ``""``.

    The methods of one store are called one at a time within a process. Other processes, and other writers, may change
    the container meanwhile: what they write must not get lost. Every method is bounded in time, and raises
    :class:`StoreError` for whatever goes wrong.

    :param options: The store dictionary with placeholders filled in and defaults added. Options that were not given
        are ``None``.
    :param timeout: Seconds that one request, or one run of a command, may take.
    :param sessions: What stores of one task share.
    """

    # The value of the option ``type``.
    type: t.ClassVar[str]

    @property
    def has_pending(self) -> bool:
        """Whether there is a pending slot. Without one, a new value is only stored when its key is enabled."""
        return True

    def __init__(self, options: t.Mapping[str, t.Any], timeout: float, sessions: Sessions) -> None:
        self.options = options
        self.timeout = timeout
        self.sessions = sessions

    @property
    def entry(self) -> str:
        """The entry that the options name. Only options are read for it, and for the two below: no I/O."""
        return str(self.options.get("entry") or "")

    @property
    @abstractmethod
    def identity(self) -> tuple[str, ...]:
        """The same for two dictionaries exactly where they mean the same container."""

    @abstractmethod
    def place(self, entry: str) -> str:
        """Where an entry's live value is, for people: no secret in it."""

    @abstractmethod
    def probe(self, entries: t.Collection[str]) -> None:
        """Find out whether values can be written, without writing: the library, the connection, the permissions.

        :raises StoreError: They can't be, as far as can be told.
        """

    @abstractmethod
    def read(self, entries: t.Collection[str]) -> dict[str, Slots]:
        """What the entries hold; all of them are in the answer, those that do not exist with empty slots."""

    @abstractmethod
    def stage(self, values: t.Mapping[str, Held]) -> None:
        """Put values, with their keys' ids, into the pending slots of entries. The live slots stay as they are."""

    @abstractmethod
    def publish(self, values: t.Mapping[str, Publication]) -> None:
        """Make values live, in one step where the store has one, and keep what was live as previous.

        The pending slots stay as they are. Publishing what is live already changes no slot; it may add the note of
        whose value it is, see :func:`id_note`.

        :raises StoreConflict: Another value is live than expected. Then nothing at all was written.
        """

    @abstractmethod
    def settle(self, key_ids: t.Mapping[str, str]) -> None:
        """Empty the pending slots of entries where they hold the values of these keys, and only there."""


def fingerprint(value: str) -> str:
    """A short text by which values can be compared without showing them. They are random enough for that."""
    return hashlib.sha256(value.encode()).hexdigest()[:12]


_MARK = " sha256:"
# The value of an ingest key begins with the key's id.
_INGEST = re.compile(r"(hc.ik_[a-z0-9]{26})[A-Za-z0-9]{20,}")


def id_note(new: Held) -> str | None:
    """What a store keeps to know later whose value is live: ``KEY_ID sha256:FINGERPRINT``. It is no secret.

    The fingerprint is in it because others may write to the live slot, and they don't write notes.

    :returns: ``None`` where the key is not known, or the value says itself whose it is.
    """
    if not new.key_id or _told(new.value) == new.key_id:
        return None
    return f"{new.key_id}{_MARK}{fingerprint(new.value)}"


def noted_id(note: t.Any, live: str | None) -> str | None:
    """The id of the live value's key, from a note as :func:`id_note` makes them, or from the value itself."""
    if live is None:
        return None
    key_id, _mark, about = str(note or "").rpartition(_MARK)
    return key_id if key_id and about == fingerprint(live) else _told(live)


def _told(value: str) -> str | None:
    """The id that a value begins with."""
    found = _INGEST.fullmatch(value)
    return found.group(1) if found else None


def outgoing(live: str, publication: Publication, note: t.Any, previous: Held | None) -> Held:
    """What becomes the previous value, with the id of its key wherever that is known from.

    :param note: The store's note about the live value.
    :param previous: The previous value by now. It is the live one where a run has died while it published.
    """
    again = previous.key_id if previous and previous.value == live else None
    return Held(live, publication.replaced_id or noted_id(note, live) or again)
