# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Homes: one container for many values, and what is said of stores that fail."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from unit.doubles import Memory, MemoryStore

from ansible_collections.community.honeycomb.plugins.module_utils._errors import HoneycombError, InputError
from ansible_collections.community.honeycomb.plugins.module_utils._keys.homes import (
    Address,
    Home,
    Homes,
    by_store,
    failure,
    look,
)
from ansible_collections.community.honeycomb.plugins.module_utils._stores import opening
from ansible_collections.community.honeycomb.plugins.module_utils._stores.store import (
    Held,
    Slots,
    StoreConflict,
    StoreError,
    fingerprint,
)


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    made = Memory()
    made.install(monkeypatch)
    return made


def find(homes: Homes, path: str, name: str, entry: str | None = None, **address: Any) -> Home:
    values = {"environment": "production", "key_type": "ingest", **address}
    return homes.find({"type": "file", "path": path, "entry": entry}, Address(name, **values))


def test_values_of_one_container_share_a_store(memory: Memory) -> None:
    homes = Homes(3.0)
    one, two = (find(homes, "/all", name, "{name}") for name in "ab")
    other = find(homes, "/{environment}/{name}", "c")
    assert one.store is two.store
    assert one.store.timeout == 3.0
    assert (one.entry, two.place) == ("a", "memory /all#b")
    assert (other.entry, other.place) == ("", "memory /production/c")
    assert by_store([one, other, two]) == [(one.store, ["a", "b"]), (other.store, [""])]
    assert memory.calls == [], "finding a home needs no I/O"


def test_stores_share_their_sessions(memory: Memory) -> None:
    homes = Homes(3.0)
    one, two = find(homes, "/a", "a"), find(homes, "/b", "b")
    assert one.store.sessions is two.store.sessions
    made = [store.sessions.get("login", object) for store in (one.store, two.store)]
    assert made[0] is made[1]


def test_one_place_is_for_one_value(memory: Memory) -> None:
    homes = Homes(3.0)
    address = Address("a", "production", "ingest", "first: ")
    dictionary = {"type": "file", "path": "/all"}
    home = homes.find(dictionary, address)
    assert homes.find(dictionary, address) == home, "the same key may ask again"
    with pytest.raises(InputError) as caught:
        homes.find(dictionary, Address("b", "production", "ingest", "second: "))
    assert caught.value.message == (
        "second: store: the values of 'a' and 'b' would have the same place, memory /all. Nothing was done; "
        "put {name}, {environment} or {key_type} into the place, or give each its own."
    )


def test_looking_reads_each_container_once(memory: Memory) -> None:
    memory.put("/all", "a", live="one")
    homes = Homes(3.0)
    found = [find(homes, "/all", "a", "{name}"), find(homes, "/all", "b", "{name}"), find(homes, "/c", "c")]
    slots = look(found, 4, writing=False)
    assert {home.place: kept.live for home, kept in slots.items() if isinstance(kept, Slots)} == {
        "memory /all#a": "one",
        "memory /all#b": None,
        "memory /c": None,
    }
    assert sorted(memory.calls) == ["read", "read"]
    look(found, 4, writing=True)
    assert sorted(memory.calls[2:]) == ["probe", "probe", "read", "read"]


def test_containers_are_looked_at_together(memory: Memory) -> None:
    homes = Homes(3.0)
    meeting = threading.Barrier(2, timeout=5)

    def meet(what: str) -> None:
        if what.startswith("before"):
            meeting.wait()

    memory.point = meet
    found = look([find(homes, "/a", "a"), find(homes, "/b", "b")], 2, writing=False)
    assert all(isinstance(slots, Slots) for slots in found.values())


def test_a_store_that_can_not_be_used_is_told_by_its_place(memory: Memory) -> None:
    memory.put("/b", live="a-secret-value")
    memory.fail("refuse", "probe", path="/a")
    memory.fail("break", "read", path="/b")
    homes = Homes(3.0)
    one, two, three = (find(homes, f"/{name}", name) for name in "abc")
    found = look([one, two, three], 1, writing=True)
    refused, broken = found[one], found[two]
    assert isinstance(refused, StoreError)
    assert refused.message == "memory /a can't be written: permission denied."
    assert isinstance(broken, StoreError)
    assert broken.message == (
        "memory /b can't be used. RuntimeError: this is a defect of the collection; please report it."
    )
    assert found[three] == Slots()


def test_what_a_store_says_is_kept_as_it_is() -> None:
    for error in (StoreConflict("changed"), HoneycombError("no")):
        assert failure("place", error) is error


def test_a_description_shows_no_value(memory: Memory) -> None:
    home = find(Homes(3.0), "/a", "a")
    assert home.describe("a-secret-value", "7") == {
        "type": "memory",
        "place": "memory /a",
        "slot": "live",
        "version": "7",
        "fingerprint": fingerprint("a-secret-value"),
    }
    assert "secret" not in fingerprint("a-secret-value")
    assert fingerprint("a-secret-value") != fingerprint("another-secret-value")
    assert home.describe(None, slot="pending")["fingerprint"] is None
    for shown in (repr(Held("a-secret-value")), repr(Slots(live="a-secret-value", pending=Held("a-secret-value")))):
        assert "secret" not in shown


def test_each_type_has_its_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """The names of the types are given once, and lead to what is opened."""
    asked: list[str] = []

    def class_of(options: dict[str, Any]) -> type[MemoryStore]:
        asked.append(options["type"])
        return MemoryStore

    monkeypatch.setattr(opening, "_class_of", class_of)
    Homes(3.0).find({"type": "hashi_vault", "url": "https://vault", "path": "a"}, Address("a", None, "ingest"))
    assert asked == ["hashi_vault"]


def test_what_a_store_refuses_says_which_key_it_is_about() -> None:
    with pytest.raises(InputError, match=r"^api_keys\[1\]: store\.field: 'a_pending' is a name that this store uses"):
        Homes(3.0).find(
            {"type": "hashi_vault", "url": "https://vault", "path": "a", "field": "{name}", "token": "t"},
            Address("a_pending", None, "ingest", "api_keys[1]: "),
        )
