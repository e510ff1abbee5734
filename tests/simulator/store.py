# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of the simulated service. Every method is safe to call from any thread; nothing here knows of HTTP."""

from __future__ import annotations

import re
import threading
from bisect import bisect_left, bisect_right
from datetime import datetime
from itertools import count

from . import records
from .clock import Clock
from .records import Environment, Key, ManagementKey

TEAM = "simulated-team"
TEAM_NAME = "Simulated Team"


class Clash(Exception):
    """An environment of that name, or with the slug made of it, exists."""


class Protected(Exception):
    """The environment is protected from deletion."""


class Listing:
    """Objects in the order of their creation, by id and in pages. A page costs what it shows, wherever it begins."""

    def __init__(self) -> None:
        self._by_id: dict = {}
        self._by_sequence: dict = {}
        self._order: list[int] = []
        self._sequences = count(1)

    def add(self, item) -> None:
        item.sequence = next(self._sequences)
        self._by_id[item.id] = item
        self._by_sequence[item.sequence] = item
        self._order.append(item.sequence)

    def remove(self, item) -> None:
        del self._by_id[item.id]
        del self._by_sequence[item.sequence]
        del self._order[bisect_left(self._order, item.sequence)]

    def get(self, item_id: str):
        return self._by_id.get(item_id)

    def __iter__(self):
        return iter(list(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)

    def page(self, after: int, size: int, wanted) -> tuple[list, int | None]:
        """Up to `size` items past the sequence number `after`, and where the next page starts (None: nowhere)."""
        found: list = []
        for place in range(bisect_right(self._order, after), len(self._order)):
            item = self._by_sequence[self._order[place]]
            if not wanted(item):
                continue
            if len(found) == size:
                return found, found[-1].sequence
            found.append(item)
        return found, None


class Store:
    """Environments, keys and management keys of one team."""

    def __init__(self, clock: Clock, region: str) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.prefix = "hc" + region
        self.team_id = self.new_id("tm")
        self.user_id = self.new_id("us")
        self.propagation = 0.0
        self.keys = Listing()
        self.environments = Listing()
        self.management: dict[str, ManagementKey] = {}
        self._by_value: dict[str, Key] = {}
        self._issued: list[str] = []

    def new_id(self, kind: str) -> str:
        return f"{self.prefix}{kind}_{records.ulid()}"

    def issued(self) -> list[str]:
        """Every secret and every usable value that was ever given out."""
        with self.lock:
            return list(self._issued)

    # Management keys

    def add_management_key(self, scopes: tuple, name: str, disabled: bool = False) -> ManagementKey:
        unknown = set(scopes) - set(records.SCOPES)
        if unknown:
            raise ValueError(f"unknown scopes: {', '.join(sorted(unknown))}")
        key = ManagementKey(self.new_id("mk"), records.ingest_secret(), name, tuple(scopes), self.clock.now(), disabled)
        with self.lock:
            self.management[key.id] = key
            self._issued.append(key.secret)
        return key

    # Environments

    def add_environment(self, name: str, **attributes) -> Environment:
        """Raises `Clash` when the name, or the slug made of it, is taken."""
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "environment"
        with self.lock:
            if any(slug == known.slug or name == known.name for known in self.environments):
                raise Clash(name)
            environment = Environment(self.new_id("en"), name, slug, **attributes)
            self.environments.add(environment)
        return environment

    def environment(self, reference: str | None) -> Environment | None:
        """By id, slug or name; without a reference the first one."""
        with self.lock:
            for known in self.environments:
                if reference in (None, known.id, known.slug, known.name):
                    return known
        return None

    def remove_environment(self, environment: Environment) -> None:
        """Raises `Protected` when it is protected; everything in it goes with it."""
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
        permissions: dict | None = None,
        created: datetime | None = None,
        updated: datetime | None = None,
        time_to_live: datetime | None = None,
        settled: bool = False,
    ) -> Key:
        """`settled` keys have been what they are for long, so propagation does not delay them."""
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
        self, key: Key, name: str | None = None, disabled: bool | None = None, permissions: dict | None = None
    ) -> None:
        """Change what is given; a permission that is not named keeps its value."""
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
        """The key that a usable value belongs to, if any, and why it is refused, if it is."""
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
