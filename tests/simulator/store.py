# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of the simulated service. Every method is thread-safe; nothing here knows about HTTP."""

from __future__ import annotations

import re
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import count
from typing import Any, Generic, TypeVar

from . import records
from .clock import Clock
from .records import Environment, Key, ManagementKey

TEAM = "simulated-team"
TEAM_NAME = "Simulated Team"

Item = TypeVar("Item", Environment, Key)


class Clash(Exception):
    """An environment with that name, or with the slug made from it, exists already."""


class Protected(Exception):
    """The environment is protected against deletion."""


class Listing(Generic[Item]):
    """Objects in order of creation, by id and in pages. A page takes as long as what it shows, wherever it starts."""

    def __init__(self) -> None:
        self._by_id: dict[str, Item] = {}
        self._by_sequence: dict[int, Item] = {}
        self._order: list[int] = []
        self._sequences = count(1)

    def add(self, item: Item) -> None:
        item.sequence = next(self._sequences)
        self._by_id[item.id] = item
        self._by_sequence[item.sequence] = item
        self._order.append(item.sequence)

    def remove(self, item: Item) -> None:
        del self._by_id[item.id]
        del self._by_sequence[item.sequence]
        del self._order[bisect_left(self._order, item.sequence)]

    def get(self, item_id: str) -> Item | None:
        return self._by_id.get(item_id)

    def __iter__(self) -> Iterator[Item]:
        return iter(list(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)

    def page(self, after: int, size: int, wanted: Callable[[Item], bool]) -> tuple[list[Item], int | None]:
        """Up to ``size`` items after that sequence number, and the number that the next page starts after, if any."""
        found: list[Item] = []
        for place in range(bisect_right(self._order, after), len(self._order)):
            item = self._by_sequence[self._order[place]]
            if not wanted(item):
                continue
            if len(found) == size:
                return found, found[-1].sequence
            found.append(item)
        return found, None


class Store:
    """The environments, keys and management keys of one team."""

    def __init__(self, clock: Clock, region: str) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.prefix = "hc" + region
        self.team_id = self.new_id("tm")
        self.user_id = self.new_id("us")
        self.propagation = 0.0
        self.keys: Listing[Key] = Listing()
        self.environments: Listing[Environment] = Listing()
        self.management: dict[str, ManagementKey] = {}
        self._by_value: dict[str, Key] = {}
        self._issued: list[str] = []

    def new_id(self, kind: str) -> str:
        return f"{self.prefix}{kind}_{records.ulid()}"

    def issued(self) -> list[str]:
        """Every secret and every usable value ever issued."""
        with self.lock:
            return list(self._issued)

    # Management keys

    def add_management_key(self, scopes: tuple[str, ...], name: str, disabled: bool = False) -> ManagementKey:
        unknown = set(scopes) - set(records.SCOPES)
        if unknown:
            raise ValueError(f"unknown scopes: {', '.join(sorted(unknown))}")
        key = ManagementKey(self.new_id("mk"), records.ingest_secret(), name, tuple(scopes), self.clock.now(), disabled)
        with self.lock:
            self.management[key.id] = key
            self._issued.append(key.secret)
        return key

    # Environments

    def add_environment(self, name: str, **attributes: Any) -> Environment:
        """Raises ``Clash`` if the name, or the slug made from it, is taken."""
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "environment"
        with self.lock:
            if any(slug == known.slug or name == known.name for known in self.environments):
                raise Clash(name)
            environment = Environment(self.new_id("en"), name, slug, **attributes)
            self.environments.add(environment)
        return environment

    def environment(self, reference: str | None) -> Environment | None:
        """Find one by id, slug or name; without a reference, the first one."""
        with self.lock:
            for known in self.environments:
                if reference in (None, known.id, known.slug, known.name):
                    return known
        return None

    def remove_environment(self, environment: Environment) -> None:
        """Remove it and everything in it. Raises ``Protected`` if it is protected."""
        with self.lock:
            if environment.delete_protected:
                raise Protected(environment.slug)
            for key in self.keys:
                if key.environment_id == environment.id:
                    self.remove_key(key)
            self.environments.remove(environment)

    # Keys

    def add_key(
        self,
        name: str,
        key_type: str,
        environment: Environment,
        disabled: bool = False,
        permissions: dict[str, bool] | None = None,
        created: datetime | None = None,
        updated: datetime | None = None,
        time_to_live: datetime | None = None,
        settled: bool = False,
    ) -> Key:
        """A ``settled`` key has been as it is for a long time, so propagation doesn't delay it."""
        ingest = key_type == "ingest"
        created = created or self.clock.now()
        permissions = permissions or {}
        key = Key(
            id=self.new_id("ik" if ingest else "lk"),
            secret=records.ingest_secret() if ingest else records.configuration_secret(),
            name=name,
            key_type=key_type,
            environment=environment.slug,
            environment_id=environment.id,
            disabled=disabled,
            permissions={known: bool(permissions.get(known)) for known in records.PERMISSIONS[key_type]},
            created=created,
            updated=updated or created,
            time_to_live=time_to_live,
            internal_id=records.internal_id(),
            history=[(float("-inf") if settled else self.clock.time(), not disabled)],
        )
        with self.lock:
            self.keys.add(key)
            self._by_value[key.value] = key
            self._issued.append(key.secret)
            if ingest:
                self._issued.append(key.value)
        return key

    def update_key(
        self,
        key: Key,
        name: str | None = None,
        disabled: bool | None = None,
        permissions: dict[str, bool] | None = None,
    ) -> None:
        """Change what is given; omitted permissions keep their values."""
        with self.lock:
            if name is not None:
                key.name = name
            if disabled is not None and disabled != key.disabled:
                key.disabled = disabled
                key.history.append((self.clock.time(), not disabled))
            key.permissions.update(permissions or {})
            key.updated = self.clock.now()

    def remove_key(self, key: Key) -> None:
        with self.lock:
            self.keys.remove(key)

    def check_value(self, value: str) -> tuple[Key | None, str | None]:
        """The key that has this usable value, if any, and the reason to refuse it, if any."""
        with self.lock:
            key = self._by_value.get(value)
            if key is None:
                return None, "unknown"
            if self.keys.get(key.id) is None:
                return key, "deleted"
            if key.time_to_live is not None and key.time_to_live <= self.clock.now():
                return key, "expired"
            if not key.enabled_at(self.clock.time() - self.propagation):
                return key, "disabled"
            return key, None
