# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A world in memory for the tests of the handover: Honeycomb, stores, faults, and a process that can die anywhere.

Every request to Honeycomb and every call of a store passes two points, one before and one after it is carried out. At
each point the promises are checked, and the run can die there or let another run go on.
"""

from __future__ import annotations

import itertools
import secrets
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

from ansible_collections.community.honeycomb.plugins.module_utils._api.client import ValueCheck
from ansible_collections.community.honeycomb.plugins.module_utils._api.resources import ApiKey, CreatedKey, Environment
from ansible_collections.community.honeycomb.plugins.module_utils._errors import HoneycombError, NotFound
from ansible_collections.community.honeycomb.plugins.module_utils._keys import acceptance, handover
from ansible_collections.community.honeycomb.plugins.module_utils._keys.generations import Marks
from ansible_collections.community.honeycomb.plugins.module_utils._stores import opening
from ansible_collections.community.honeycomb.plugins.module_utils._stores.store import (
    Held,
    Publication,
    Slots,
    Store,
    StoreConflict,
    StoreError,
)
from ansible_collections.community.honeycomb.plugins.module_utils._time import format_timestamp

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
ENVIRONMENT = Environment("hcxen_1", "Production", "production")
PENDING = " [pending]"

R = TypeVar("R")


class Crash(BaseException):
    """The process dies."""


@dataclass
class Fault:
    """What a store does wrong.

    ``effect`` is one of:

    * ``refuse``: it says no, and does nothing,
    * ``hang``: nothing happens until the time is over; ``hang after``: the same, but it was carried out,
    * ``lose``: it says yes, and does nothing,
    * ``garble``: it says yes, and keeps another value,
    * ``overtake``: another writer changes the live value just before,
    * ``break``: an exception that nobody expects, with the value in its words.

    :param call: ``probe``, ``read``, ``stage``, ``publish`` or ``settle``; ``None`` for each of them.
    :param nth: Which of these calls is the first that it hits, from 1, and ``times`` how many; ``None`` for all.
    :param path: The container; ``None`` for each.
    """

    effect: str
    call: str | None = None
    nth: int = 1
    times: int | None = 1
    path: str | None = None
    seen: int = 0

    def hits(self, call: str, path: str) -> bool:
        if self.call not in (None, call) or self.path not in (None, path):
            return False
        self.seen += 1
        return self.seen >= self.nth and (self.times is None or self.seen < self.nth + self.times)


class Memory:
    """What stores hold: it outlives the runs. ``without_pending`` names containers that have no pending slot."""

    def __init__(self, point: Callable[[str], None] = lambda _what: None) -> None:
        self.slots: dict[tuple[str, str], Slots] = {}
        self.without_pending: set[str] = set()
        self.faults: list[Fault] = []
        self.calls: list[str] = []
        self.point = point

    def at(self, path: str, entry: str = "") -> Slots:
        return self.slots.get((path, entry), Slots())

    def put(self, path: str, entry: str = "", **slots: Any) -> None:
        self.slots[path, entry] = replace(self.at(path, entry), **slots)

    def values(self) -> set[str]:
        """Every value in any slot."""
        found = {slots.live for slots in self.slots.values()}
        found |= {held.value for slots in self.slots.values() for held in (slots.pending, slots.previous) if held}
        return {value for value in found if value}

    def fail(self, effect: str, call: str | None = None, **more: Any) -> None:
        self.faults.append(Fault(effect, call, **more))

    def store_class(self) -> type[Store]:
        memory = self

        class Bound(MemoryStore):
            world = memory

        return Bound

    def install(self, monkeypatch: Any) -> None:
        """Every store that is opened from now on is one of this memory, whatever its type."""
        monkeypatch.setattr(opening, "_class_of", lambda _kind: self.store_class())


class MemoryStore(Store):
    """A store that keeps values in memory. Its options are those of the store ``file``."""

    type = "memory"
    world: Memory

    @property
    def path(self) -> str:
        return str(self.options["path"])

    @property
    def has_pending(self) -> bool:
        return self.path not in self.world.without_pending

    @property
    def identity(self) -> tuple[str, ...]:
        return ("memory", self.path)

    def place(self, entry: str) -> str:
        return f"memory {self.path}{'#' if entry else ''}{entry}"

    def probe(self, entries: Collection[str]) -> None:
        self._call("probe", entries, lambda _odd: None)

    def read(self, entries: Collection[str]) -> dict[str, Slots]:
        found: dict[str, Slots] = {}

        def work(odd: str) -> None:
            for entry in entries:
                slots = self.world.at(self.path, entry)
                slots = slots if self.has_pending else replace(slots, pending=None, previous=None)
                found[entry] = {"lose": Slots(), "garble": replace(slots, live=_other(slots.live))}.get(odd, slots)

        self._call("read", entries, work)
        return found

    def stage(self, values: Mapping[str, Held]) -> None:
        assert self.has_pending, "there is nothing to stage a value in"

        def work(odd: str) -> None:
            for entry, held in values.items():
                if odd != "lose":
                    kept = replace(held, value=_other(held.value)) if odd == "garble" else held
                    self.world.put(self.path, entry, pending=kept)

        self._call("stage", values, work, [held.value for held in values.values()])

    def publish(self, values: Mapping[str, Publication]) -> None:
        def work(odd: str) -> None:
            for entry, publication in values.items():
                live = self.world.at(self.path, entry).live
                if live not in (publication.expected, publication.new.value):
                    raise StoreConflict(f"{self.place(entry)} was changed by somebody else since it was read.")
            for entry, publication in values.items():
                slots = self.world.at(self.path, entry)
                if odd == "lose" or slots.live == publication.new.value:
                    continue
                live = publication.new.value if odd != "garble" else _other(publication.new.value)
                previous = Held(slots.live, publication.replaced_id) if slots.live else slots.previous
                previous = previous if self.has_pending else None
                self.world.put(self.path, entry, live=live, previous=previous)

        self._call("publish", values, work, [publication.new.value for publication in values.values()])

    def settle(self, key_ids: Mapping[str, str]) -> None:
        def work(odd: str) -> None:
            for entry, key_id in key_ids.items():
                slots = self.world.at(self.path, entry)
                if odd != "lose" and slots.pending and slots.pending.key_id == key_id:
                    self.world.put(self.path, entry, pending=None)

        self._call("settle", key_ids, work)

    def _call(
        self, call: str, entries: Collection[str], work: Callable[[str], None], values: Collection[str] = ()
    ) -> None:
        """One call, with the faults that hit it."""
        self.world.calls.append(call)
        self.world.point(f"before {call} {self.path}")
        places = ", ".join(self.place(entry) for entry in entries)
        odd = next((fault.effect for fault in list(self.world.faults) if fault.hits(call, self.path)), "")
        if odd == "overtake":
            for entry in entries:
                self.world.put(self.path, entry, live="written-by-somebody-else")
        if odd == "refuse":
            raise StoreError(f"{places} can't be written: permission denied.")
        if odd == "hang":
            raise StoreError(f"{places}: no answer within {self.timeout:g} s.")
        if odd == "break":
            raise RuntimeError(f"something odd about {' '.join(values)} in {self.world.slots}")
        work(odd)
        self.world.point(f"after {call} {self.path}")
        if odd == "hang after":
            raise StoreError(f"{places}: no answer within {self.timeout:g} s.")


def _other(value: str | None) -> str | None:
    return f"x{value[1:]}" if value else value


class Service:
    """Honeycomb in memory, with the methods of the client that the handover uses."""

    knows_service_clock = True
    team = "team"

    def __init__(self, point: Callable[[str], None] = lambda _what: None) -> None:
        self.keys: dict[str, ApiKey] = {}
        self.values: dict[str, str] = {}
        self.time = START
        self.transport = self
        self.budget = self
        self.notes: list[str] = []
        self.requests: list[str] = []
        self.point = point
        self.refuse: Callable[[str], bool] = lambda _request: False
        self._numbers = itertools.count(1)

    # -- the transport's part

    def now(self) -> datetime:
        return self.time

    def clock(self) -> float:
        return self.time.timestamp()

    def wait(self, seconds: float, _reason: str, expected: bool = False) -> None:
        self.time += timedelta(seconds=seconds)

    # -- the client's part

    def list_keys(self, key_type: str | None = None) -> list[ApiKey]:
        return self._request(
            "list_keys", lambda: [key for key in self.keys.values() if key_type in (None, key.key_type)]
        )

    def get_key(self, key_id: str) -> ApiKey | None:
        return self._request(f"get_key {key_id}", lambda: self.keys.get(key_id))

    def create_key(self, key: ApiKey) -> CreatedKey:
        def create() -> CreatedKey:
            created = self.add(key.name, key.key_type, disabled=key.disabled, permissions=key.permissions)
            value = self.values[str(created.id)]
            secret = value[len(str(created.id)) :] if key.key_type == "ingest" else value
            return CreatedKey(created, secret)

        return self._request(f"create_key {key.name}", create)

    def update_key(self, key_id: str, changes: dict[str, Any]) -> ApiKey:
        def update() -> ApiKey:
            if key_id not in self.keys:
                raise NotFound(f"There is no key {key_id}.", status=404)
            return self.change(key_id, **changes)

        return self._request(f"update_key {key_id} {' '.join(changes)}", update)

    def delete_key(self, key_id: str) -> bool:
        return self._request(f"delete_key {key_id}", lambda: self.keys.pop(key_id, None) is not None)

    # -- the world's part

    def add(self, name: str, key_type: str = "ingest", *, disabled: bool = False, **more: Any) -> ApiKey:
        number = next(self._numbers)
        key_id = f"hcx{'ik' if key_type == 'ingest' else 'lk'}_{number:026}"
        secret = f"{number:04}{secrets.token_hex(14)}" if key_type == "ingest" else f"{number:04}{secrets.token_hex(9)}"
        moment = format_timestamp(self.time)
        key = ApiKey(key_id, name, key_type, ENVIRONMENT.id, disabled, **{"created_at": moment, **more})
        key = replace(key, updated_at=key.created_at)
        self.keys[key_id] = key
        self.values[key_id] = f"{key_id}{secret}" if key_type == "ingest" else secret
        return key

    def change(self, key_id: str, **changes: Any) -> ApiKey:
        self.keys[key_id] = replace(self.keys[key_id], **changes, updated_at=format_timestamp(self.time))
        return self.keys[key_id]

    def held(self, key: ApiKey) -> Held:
        return Held(self.values[str(key.id)], key.id)

    def owner(self, value: str | None) -> ApiKey | None:
        """The key that a value belongs to, whether it is enabled or not."""
        return next((self.keys.get(key_id) for key_id, known in self.values.items() if known == value), None)

    def check_value(self, value: str) -> ValueCheck | None:
        """As ``/1/auth``: it tells an ingest key's id, and an older, internal one for a configuration key."""

        def check() -> ValueCheck | None:
            key = self.owner(value)
            if key is None or key.disabled:
                return None
            told = key.id if key.key_type == "ingest" else f"internal-{str(key.id)[-4:]}"
            return ValueCheck(told, key.key_type, {"slug": self.team}, {"slug": ENVIRONMENT.slug}, {})

        return self._request("check_value", check)

    def named(self, name: str) -> list[ApiKey]:
        return [key for key in self.keys.values() if key.name == name]

    def enabled(self) -> list[ApiKey]:
        return [key for key in self.keys.values() if not key.disabled]

    def _request(self, what: str, carry_out: Callable[[], R]) -> R:
        self.point(f"before {what}")
        self.requests.append(what)
        if self.refuse(what):
            raise HoneycombError(f"{what.split()[0]} was refused.")
        answer = carry_out()
        self.point(f"after {what}")
        return answer


@dataclass
class World:
    """Honeycomb and the stores, and a process that dies at a point.

    :param crash_at: The number of the point at which the run dies, from 1.
    :param excused: Values that may be live although nobody accepts them: they were so at the beginning.
    """

    crash_at: int | None = None
    points: int = 0
    excused: set[str] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    baton: Baton | None = None

    def __post_init__(self) -> None:
        self.service = Service(self.point)
        self.memory = Memory(self.point)

    def install(self, monkeypatch: Any) -> None:
        self.memory.install(monkeypatch)
        for module in (acceptance, handover):
            monkeypatch.setattr(module, "check_value", check_in_memory)

    def run(self, *, preview: bool = False) -> handover.Run:
        service: Any = self.service
        return handover.Run(service, Marks(), timedelta(seconds=5), preview, self.warnings.append, concurrency=1)

    def point(self, what: str) -> None:
        self.points += 1
        self.trace.append(what)
        self.check_live(what)
        if self.baton:
            self.baton.pass_on()
        if self.points == self.crash_at:
            raise Crash(what)

    def check_live(self, what: str) -> None:
        """Every live value is accepted."""
        for place, slots in self.memory.slots.items():
            if slots.live is None or slots.live in self.excused:
                continue
            owner = self.service.owner(slots.live)
            if owner is None or owner.disabled:
                self.broken.append(f"{what}: the value in {place} is that of {owner}")

    def homeless(self) -> list[ApiKey]:
        """Enabled keys whose value is in no slot, and whose names do not tell the next run to disable them."""
        known = self.memory.values() | self.excused
        return [
            key
            for key in self.service.enabled()
            if self.service.values[str(key.id)] not in known and not self._is_on_its_way_out(key)
        ]

    def _is_on_its_way_out(self, key: ApiKey) -> bool:
        """It is pending, retired or stale, or about to be: its successor's value is live already."""
        successors = {
            self.service.values[str(other.id)]
            for other in self.service.keys.values()
            if other.name == f"{key.name}{PENDING}" or other.name.startswith(f"{key.name} [stale ")
        }
        live = {slots.live for slots in self.memory.slots.values()}
        return (
            key.name.endswith(PENDING) or " [retired " in key.name or " [stale " in key.name or bool(successors & live)
        )

    def undisturbed(self) -> None:
        """From now on nothing dies and nothing fails."""
        self.crash_at, self.points = None, 0
        self.memory.faults.clear()
        self.service.refuse = lambda _request: False


def check_in_memory(transport: Any, value: str, fresh: bool = False) -> ValueCheck | None:
    """In place of ``check_value``: the service in memory is its own transport."""
    found: ValueCheck | None = transport.check_value(value)
    return found


class Baton:
    """Lets two runs go on in turn: the first for so many points, then the other, and so on.

    :param turns: How many points each turn lasts; the last two have no end.
    """

    def __init__(self, turns: Collection[int]) -> None:
        self._turns = [*turns]
        self._now = 0
        self._left = self._turns[0] if self._turns else -1
        self._running = [True, True]
        self._changed = threading.Condition()
        self._who = threading.local()

    def run(self, works: Collection[Callable[[], Any]]) -> list[Any]:
        """Run both; return their results, or the exceptions that they ended with."""
        results: list[Any] = [None, None]

        def one(number: int, work: Callable[[], Any]) -> None:
            self._who.number = number
            try:
                self._wait()
                results[number] = work()
            except Exception as exc:
                results[number] = exc
            with self._changed:
                self._running[number] = False
                if self._now == number:
                    self._hand_over()
                self._changed.notify_all()

        threads = [threading.Thread(target=one, args=(number, work)) for number, work in enumerate(works)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive(), "the runs wait for each other"
        return results

    def pass_on(self) -> None:
        """At a point: whose turn is it now?"""
        if not hasattr(self._who, "number"):
            return
        with self._changed:
            self._left -= 1
            if self._left == 0:
                self._hand_over()
                self._changed.notify_all()
        self._wait()

    def _hand_over(self) -> None:
        if self._running[1 - self._now]:
            self._now = 1 - self._now
        self._turns = self._turns[1:]
        self._left = self._turns[0] if self._turns else -1

    def _wait(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._now == self._who.number)
