# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""Homes: which entry of which store each value belongs to. Many values may share a container; it is used once."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._errors import HoneycombError, InputError
from .._parallel import in_parallel
from .._stores.opening import open_store
from .._stores.options import complete
from .._stores.places import fill
from .._stores.store import Sessions, Slots, Store, StoreError, fingerprint

R = t.TypeVar("R")


@dataclass(frozen=True)
class Address:
    """Whose value it is, as the placeholders of a store dictionary know it.

    :param environment: The slug; ``None`` where it is not known.
    :param label: What to begin a message with: which option it is about.
    """

    name: str
    environment: str | None
    key_type: str
    label: str = ""


@dataclass(frozen=True)
class Home:
    """The entry of a store where one value belongs."""

    store: Store
    entry: str

    @property
    def place(self) -> str:
        return self.store.place(self.entry)

    def describe(self, value: str | None, version: str | None = None, slot: str = "live") -> dict[str, t.Any]:
        """Where the value is, for the result of a task.

        :param value: ``None`` in check mode, where there is none yet.
        """
        return {
            "type": self.store.type,
            "place": self.place,
            "slot": slot,
            "version": version,
            "fingerprint": fingerprint(value) if value is not None else None,
        }


class Homes:
    """The homes of one task's keys.

    :param timeout: Seconds that one request to a store may take.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._sessions = Sessions()
        self._stores: dict[tuple[str, ...], Store] = {}
        self._taken: dict[tuple[tuple[str, ...], str], Address] = {}

    def find(self, dictionary: t.Mapping[str, t.Any], address: Address) -> Home:
        """The home of one value. Reads options only.

        :raises InputError: The dictionary is wrong, or the place is another key's already.
        """
        label = f"{address.label}store"
        values = {"name": address.name, "environment": address.environment, "key_type": address.key_type}
        filled = fill(complete(dictionary, label), values, label)
        try:
            found = open_store(filled, self._timeout, self._sessions)
        except InputError as exc:
            # A store knows its options, and not which of many keys they are for.
            exc.message = address.label + exc.message
            raise
        store = self._stores.setdefault(found.identity, found)
        home = Home(store, found.entry)
        other = self._taken.setdefault((store.identity, home.entry), address)
        if other is not address:
            raise InputError(
                f"{label}: the values of {other.name!r} and {address.name!r} would have the same place, {home.place}. "
                "Nothing was done; put {name}, {environment} or {key_type} into the place, or give each its own."
            )
        return home


def by_store(homes: t.Iterable[Home]) -> list[tuple[Store, list[str]]]:
    """Each container once, with the entries in it."""
    found: dict[int, tuple[Store, list[str]]] = {}
    for home in homes:
        found.setdefault(id(home.store), (home.store, []))[1].append(home.entry)
    return list(found.values())


def look(homes: t.Sequence[Home], concurrency: int, *, writing: bool) -> dict[Home, Slots | HoneycombError]:
    """What the homes hold.

    :param writing: Also find out whether they can be written, without writing.
    """

    def work(container: tuple[Store, list[str]]) -> dict[str, Slots | HoneycombError]:
        store, entries = container
        try:
            if writing:
                store.probe(entries)
            return dict(store.read(entries))
        except Exception as exc:  # pylint: disable=broad-except
            return {entry: failure(store.place(entry), exc) for entry in entries}

    containers = by_store(homes)
    found = in_parallel(work, containers, concurrency)
    return {
        Home(store, entry): slots for (store, _entries), part in zip(containers, found) for entry, slots in part.items()
    }


def failure(place: str, exc: Exception) -> HoneycombError:
    """What a store raised, as an error. The words of an unexpected exception may hold anything."""
    if isinstance(exc, HoneycombError):
        return exc
    return StoreError(f"{place} can't be used. {HoneycombError.defect(exc).message}")
