# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every store has to do, as tests: a store's own test file derives from :class:`StoreConformance`.

The derived class says how the store is opened (:meth:`dictionary`), and how somebody else reads it (:meth:`look`) and
writes to it (:meth:`overwrite`): with the store's own client, never with our code.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.community.honeycomb.plugins.module_utils._stores.opening import open_store
from ansible_collections.community.honeycomb.plugins.module_utils._stores.options import complete
from ansible_collections.community.honeycomb.plugins.module_utils._stores.places import fill
from ansible_collections.community.honeycomb.plugins.module_utils._stores.store import (
    Held,
    Publication,
    Sessions,
    Slots,
    Store,
    StoreConflict,
    StoreError,
)

# As long as real values, and with every kind of character that they have.
ONE = Held("hcxik_01hqk4k20cjeh63wca8vva5stw0aZ9bY8cX7dW6eV5fU4gT3hS2iR1j", "hcxik_01hqk4k20cjeh63wca8vva5stw")
TWO = Held("hcxik_01hqk4k20cjeh63wca8vva5st20aZ9bY8cX7dW6eV5fU4gT3hS2iR1k", "hcxik_01hqk4k20cjeh63wca8vva5st2")
# A configuration key's value does not tell its id.
THREE = Held("aB3dE5gH7jK9mN1pQ3sT5v", "hcxlk_01hqk4k20cjeh63wca8vva5st3")
# What another writer puts there
THEIRS = "tH3iRs7vAlu3tHaTiSoFn0k3y"


class StoreConformance(ABC):
    """The tests. ``name`` is filled in for ``{name}`` in the place: each test has one of its own."""

    # Whether one container has room for several values, of which each is an entry.
    many = False
    # Seconds that one request may take, or waiting for another run.
    timeout = 10.0
    # Whether it remembers whose value is live.
    remembers = True
    # Whether it notes that of a value that is live already.
    adopts = True

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path, request: pytest.FixtureRequest) -> None:
        self.folder = tmp_path
        self.key_name = f"svc-{abs(hash(request.node.name)) % 10**8}"

    @abstractmethod
    def dictionary(self, entry: str) -> dict[str, Any]:
        """The store dictionary of an entry; ``{name}`` stands for what differs from test to test.

        :param entry: ``"one"`` or ``"two"``: entries of one container where ``many`` is true.
        """

    @abstractmethod
    def look(self, entry: str) -> str | None:
        """The live value, read by somebody else's client; ``None`` where there is none."""

    @abstractmethod
    def overwrite(self, entry: str, value: str) -> None:
        """Change the live value of an entry that has one, by somebody else's client."""

    def open(self, entry: str = "one", **changes: Any) -> Store:
        """The store in a new session, as another run of a task would have it."""
        values = {"name": self.key_name, "environment": "production", "key_type": "ingest"}
        options = {**complete(fill(self.dictionary(entry), values, "store")), **changes}
        return open_store(options, self.timeout, Sessions())

    # -- one entry -------------------------------------------------------------------------------------------------

    def slots(self, entry: str = "one") -> Slots:
        store = self.open(entry)
        return store.read([store.entry])[store.entry]

    def stage(self, held: Held, entry: str = "one") -> None:
        store = self.open(entry)
        store.stage({store.entry: held})

    def publish(self, held: Held, expected: str | None, entry: str = "one", replaced: str | None = None) -> None:
        store = self.open(entry)
        store.publish({store.entry: Publication(held, expected, replaced)})

    def settle(self, key_id: str | None, entry: str = "one") -> None:
        store = self.open(entry)
        store.settle({store.entry: str(key_id)})

    # -- the tests -------------------------------------------------------------------------------------------------

    def test_an_unused_place_is_empty_and_can_be_written(self) -> None:
        store = self.open()
        store.probe([store.entry])
        assert store.read([store.entry]) == {store.entry: Slots()}
        assert self.look("one") is None, "probing wrote something"

    def test_a_staged_value_is_kept_with_its_id_and_nobody_reads_it(self) -> None:
        self.stage(ONE)
        assert self.slots().pending == ONE
        assert self.slots().live is None
        assert self.look("one") is None

    def test_a_published_value_is_what_others_read(self) -> None:
        self.stage(ONE)
        self.publish(ONE, None)
        assert self.look("one") == ONE.value
        assert self.slots().live == ONE.value
        assert self.slots().pending == ONE, "the pending slot stays until the key has its name"

    def test_a_settled_place_holds_nothing_pending(self) -> None:
        self.stage(ONE)
        self.publish(ONE, None)
        self.settle(ONE.key_id)
        assert self.slots().pending is None
        assert self.look("one") == ONE.value

    def test_only_a_keys_own_value_is_settled(self) -> None:
        self.stage(ONE)
        self.settle(TWO.key_id)
        assert self.slots().pending == ONE

    def test_settling_an_empty_place_is_nothing(self) -> None:
        self.settle(ONE.key_id)
        assert self.slots() == Slots()

    def test_a_later_value_takes_the_pending_slot(self) -> None:
        self.stage(ONE)
        self.stage(TWO)
        assert self.slots().pending == TWO

    def test_staging_the_same_value_again_is_nothing(self) -> None:
        self.stage(ONE)
        self.stage(ONE)
        assert self.slots().pending == ONE

    def test_what_was_live_is_kept_as_previous(self) -> None:
        self.bring_live(ONE)
        self.stage(TWO)
        assert self.look("one") == ONE.value
        self.publish(TWO, ONE.value, replaced=ONE.key_id)
        self.settle(TWO.key_id)
        assert self.look("one") == TWO.value
        assert self.slots().previous == ONE

    def test_the_previous_value_comes_back(self) -> None:
        self.bring_live(ONE)
        self.bring_live(TWO, ONE.value, ONE.key_id)
        previous = self.slots().previous
        assert previous is not None
        self.publish(previous, TWO.value, replaced=TWO.key_id)
        assert self.look("one") == ONE.value
        assert self.slots().previous == TWO

    def test_a_configuration_keys_value_is_kept_with_its_id(self) -> None:
        self.stage(THREE)
        assert self.slots().pending == THREE
        self.publish(THREE, None)
        assert self.look("one") == THREE.value

    def test_what_another_writer_made_live_is_not_overwritten(self) -> None:
        self.bring_live(ONE)
        self.stage(THREE)
        with pytest.raises(StoreConflict) as caught:
            self.publish(THREE, TWO.value)
        assert self.look("one") == ONE.value
        assert self.slots().pending == THREE
        self.tells_no_value(caught.value)

    def test_publishing_again_changes_nothing(self) -> None:
        self.bring_live(ONE)
        self.bring_live(TWO, ONE.value, ONE.key_id)
        before = self.slots()
        self.publish(TWO, TWO.value, replaced=TWO.key_id)
        assert self.slots() == before, "the previous value must not be lost by a second publication"

    # Whose value is live

    @pytest.mark.parametrize("held", [ONE, THREE], ids=["ingest", "configuration"])
    def test_it_is_known_whose_value_is_live(self, held: Held) -> None:
        self.stage(held)
        assert self.slots().live_id is None
        self.publish(held, None)
        assert self.slots().live_id == self.remembered(held)
        self.settle(held.key_id)
        assert self.slots().live_id == self.remembered(held)
        self.stage(TWO)
        self.settle(TWO.key_id)
        assert self.slots().live_id == self.remembered(held)

    def test_a_value_of_another_writer_is_nobodys(self) -> None:
        self.bring_live(ONE)
        self.overwrite("one", THEIRS)
        assert self.look("one") == THEIRS
        assert (self.slots().live, self.slots().live_id) == (THEIRS, None)
        self.bring_live(THREE, THEIRS)
        slots = self.slots()
        assert (slots.live, slots.live_id) == (THREE.value, self.remembered(THREE))
        assert slots.previous == (Held(THEIRS) if self.remembers else None)

    def test_the_key_of_a_value_goes_with_it(self) -> None:
        if not self.remembers:
            pytest.skip("this store has no previous slot, and does not know whose value is live")
        self.bring_live(THREE)
        self.bring_live(ONE, THREE.value)
        slots = self.slots()
        assert (slots.live_id, slots.previous) == (ONE.key_id, THREE), "nobody told whose value was replaced"
        self.publish(THREE, ONE.value)
        slots = self.slots()
        assert (slots.live_id, slots.previous) == (THREE.key_id, ONE)

    def test_a_conflict_leaves_everything_as_it_was(self) -> None:
        self.bring_live(ONE)
        self.bring_live(THREE, ONE.value)
        before = self.slots()
        with pytest.raises(StoreConflict):
            self.publish(TWO, "another")
        assert self.slots() == before

    def test_a_value_that_is_live_already_gets_its_key(self) -> None:
        self.bring_live(ONE)
        self.bring_live(TWO, ONE.value)
        self.overwrite("one", THREE.value)
        before = self.slots()
        assert before.live_id is None
        self.publish(THREE, THREE.value)
        after = self.slots()
        assert replace(after, version=None) == replace(
            before, live_id=self.remembered(THREE) if self.adopts else None, version=None
        )
        self.publish(Held(THREE.value), THREE.value)
        assert self.slots() == after, "who does not know the key must not make the store forget it"

    def test_an_unpublished_value_goes_live_without_having_been_staged(self) -> None:
        self.publish(ONE, None)
        assert self.look("one") == ONE.value

    def test_a_place_is_told_without_its_value(self) -> None:
        self.bring_live(ONE)
        store = self.open()
        assert store.place(store.entry)
        assert ONE.value not in store.place(store.entry)
        assert ONE.value not in repr(store.read([store.entry]))

    def test_the_same_dictionary_is_the_same_container(self) -> None:
        assert self.open().identity == self.open().identity
        other = {**self.dictionary("one")}
        values = {"name": "another", "environment": "production", "key_type": "ingest"}
        if fill(other, values, "store") != fill(other, {**values, "name": self.key_name}, "store"):
            another = open_store(complete(fill(other, values, "store")), 10.0, Sessions())
            assert (another.identity, another.entry) != (self.open().identity, self.open().entry)

    # -- several entries of one container --------------------------------------------------------------------------

    def both(self) -> tuple[Store, str, str]:
        if not self.many:
            pytest.skip("a container of this store holds one value")
        one, two = self.open("one"), self.open("two")
        assert one.identity == two.identity
        assert one.entry != two.entry
        return one, one.entry, two.entry

    def test_entries_of_a_container_are_written_together(self) -> None:
        store, one, two = self.both()
        store.probe([one, two])
        store.stage({one: ONE, two: TWO})
        store.publish({one: Publication(ONE), two: Publication(TWO)})
        found = store.read([one, two])
        assert (found[one].live, found[two].live) == (ONE.value, TWO.value)
        assert (self.look("one"), self.look("two")) == (ONE.value, TWO.value)
        store.settle({one: str(ONE.key_id), two: str(TWO.key_id)})
        assert store.read([one, two])[two].pending is None

    def test_an_entry_keeps_what_others_hold(self) -> None:
        store, one, two = self.both()
        store.publish({one: Publication(ONE)})
        store.stage({one: THREE})
        store.stage({two: TWO})
        store.publish({two: Publication(TWO)})
        store.settle({two: str(TWO.key_id)})
        assert (self.look("one"), self.look("two")) == (ONE.value, TWO.value)
        assert store.read([one])[one].pending == THREE

    def test_each_entry_has_a_key_of_its_own(self) -> None:
        store, one, two = self.both()
        store.publish({one: Publication(THREE)})
        store.publish({two: Publication(TWO)})
        assert [found.live_id for found in store.read([one, two]).values()] == [THREE.key_id, TWO.key_id]
        self.overwrite("two", THEIRS)
        assert [found.live_id for found in store.read([one, two]).values()] == [THREE.key_id, None]
        store.publish({one: Publication(TWO, THREE.value), two: Publication(THREE, THEIRS)})
        found = store.read([one, two])
        assert (found[one].live_id, found[one].previous) == (TWO.key_id, THREE)
        assert (found[two].live_id, found[two].previous) == (THREE.key_id, Held(THEIRS))

    def test_a_conflict_in_one_entry_writes_none(self) -> None:
        store, one, two = self.both()
        store.publish({one: Publication(ONE)})
        with pytest.raises(StoreConflict):
            store.publish({one: Publication(THREE, expected="another"), two: Publication(TWO)})
        assert store.read([one, two])[one].live_id == ONE.key_id
        assert store.read([one, two])[two] == Slots(version=store.read([two])[two].version)
        assert (self.look("one"), self.look("two")) == (ONE.value, None)

    def test_runs_at_the_same_time_lose_nothing(self) -> None:
        self.both()
        failures: list[BaseException] = []

        def work(entry: str, values: list[Held]) -> None:
            try:
                live: str | None = None
                for held in values:
                    self.stage(held, entry)
                    self.publish(held, live, entry)
                    live = held.value
            except BaseException as exc:
                failures.append(exc)

        # Each opens the store anew, so that they share nothing but the container, like two processes.
        workers = [
            threading.Thread(target=work, args=(entry, values))
            for entry, values in (("one", [ONE, TWO, THREE] * 3), ("two", [THREE, TWO, ONE] * 3))
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert not failures
        assert (self.look("one"), self.look("two")) == (THREE.value, ONE.value)

    # -- helpers ---------------------------------------------------------------------------------------------------

    def remembered(self, held: Held) -> str | None:
        """The id that the store has to tell where this value is live."""
        return held.key_id if self.remembers or held.value.startswith(str(held.key_id)) else None

    def bring_live(self, held: Held, expected: str | None = None, replaced: str | None = None) -> None:
        self.stage(held)
        self.publish(held, expected, replaced=replaced)
        self.settle(held.key_id)

    @staticmethod
    def tells_no_value(error: StoreError, values: Mapping[str, str] | None = None) -> None:
        """That a message holds none of the values."""
        for value in (ONE.value, TWO.value, THREE.value, *(values or {}).values()):
            assert value not in str(error)
            assert value[-20:] not in repr(error)
