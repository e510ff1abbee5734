# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rotations hand values over with the same steps: here they die and meet stores that fail, on a world in memory."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from unit.doubles import ENVIRONMENT, START, Crash, World

from ansible_collections.community.honeycomb.plugins.module_utils._keys.homes import Address, Homes
from ansible_collections.community.honeycomb.plugins.module_utils._rotation import phases
from ansible_collections.community.honeycomb.plugins.module_utils._rotation.decisions import Policy
from ansible_collections.community.honeycomb.plugins.module_utils._rotation.jobs import Job, Staged
from ansible_collections.community.honeycomb.plugins.module_utils._time import format_timestamp

OLD = format_timestamp(START - timedelta(days=100))
# Name, type, container, entry
KEYS = [
    ("a", "ingest", "/apps", "a"),
    ("b", "ingest", "/apps", "b"),
    ("c", "configuration", "/c", ""),
    ("d", "ingest", "/plain", ""),
    ("e", "configuration", "/plain2", ""),
]
WITHOUT_PENDING = {"/plain", "/plain2"}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return build(monkeypatch)


def build(monkeypatch: pytest.MonkeyPatch, crash_at: int | None = None) -> World:
    """A world with one old key of each kind, whose values are live."""
    world = World()
    world.install(monkeypatch)
    world.memory.without_pending = WITHOUT_PENDING
    for name, key_type, path, entry in KEYS:
        key = world.service.add(name, key_type, created_at=OLD, permissions={"create_datasets": True})
        world.memory.put(path, entry, live=world.service.values[str(key.id)])
    world.crash_at, world.points = crash_at, 0
    return world


def jobs(only: str = "abcde", overlap: timedelta = timedelta(0)) -> list[Job]:
    homes = Homes(10.0)
    policy = Policy(overlap=overlap, lock_time=timedelta(0))
    found = []
    for position, (name, key_type, path, entry) in enumerate(key for key in KEYS if key[0] in only):
        dictionary = {"type": "file", "path": path, "entry": entry or None}
        home = homes.find(dictionary, Address(name, ENVIRONMENT.slug, key_type))
        found.append(Job(position, name, key_type, ENVIRONMENT, policy, home))
    return found


def handed_on(staged: Any, all_jobs: list[Job]) -> list[Staged]:
    """As it comes back through the role."""
    return [Staged.from_options(entry.as_result(), all_jobs[entry.position].home) for entry in staged]


def rotate(world: World, only: str = "abcde", overlap: timedelta = timedelta(0)) -> phases.Changes:
    """What the role does where the store is all that there is to deploy to."""
    done = phases.stage(world.run(), jobs(only, overlap))
    if done.staged:
        phases.activate(world.run(), handed_on(done.staged, jobs(only, overlap)))
        phases.promote(world.run(), handed_on(done.staged, jobs(only, overlap)), [])
    return done


def state(world: World) -> dict[str, Any]:
    keys = sorted(
        (re.sub(r"\d{8}T\d{6}Z", "TIME", key.name), key.key_type, key.disabled)
        for key in world.service.keys.values()
        if not (key.disabled and key.name.endswith(" off]"))
    )
    slots = {}
    for place, slot in world.memory.slots.items():
        owner = world.service.owner(slot.live)
        slots[place] = (owner.name if owner else None, slot.pending is not None)
    return {"keys": keys, "slots": slots}


def state_after(world: World, only: str, overlap: timedelta) -> dict[str, Any]:
    """The state once the overlap is over: until then, what a run that died has left stays enabled like the old key."""
    if overlap:
        world.service.time += overlap
        rotate(world, only, overlap)
    return state(world)


def is_rotated(world: World, only: str = "abcde") -> None:
    """Each key has a successor whose value is live, and nothing is left over."""
    for name, key_type, path, entry in KEYS:
        if name not in only:
            continue
        (key,) = world.service.named(name)
        assert (key.disabled, key.key_type, key.created_at != OLD) == (False, key_type, True)
        assert world.memory.at(path, entry).live == world.service.values[str(key.id)]
        assert world.memory.at(path, entry).pending is None
    assert world.broken == []


def test_an_undisturbed_rotation(world: World) -> None:
    old = {name: key.id for name, *_rest in KEYS for key in world.service.named(name)}
    rotate(world)
    is_rotated(world)
    assert len(world.service.enabled()) == len(KEYS)
    for name, _key_type, path, entry in KEYS:
        previous = world.memory.at(path, entry).previous
        if path not in WITHOUT_PENDING:
            assert previous is not None
            assert (previous.value, previous.key_id) == (world.service.values[str(old[name])], old[name])
    requests = len(world.service.requests)
    assert not rotate(world).changed
    assert len(world.service.requests) == requests + 1, "nothing is due: one listing is enough"


@pytest.mark.parametrize("overlap", [timedelta(0), timedelta(hours=24)], ids=["no overlap", "overlap"])
@pytest.mark.parametrize("only", ["a", "c", "d", "e", "abcde"])
def test_a_rotation_that_dies_anywhere_is_finished_by_the_next(
    monkeypatch: pytest.MonkeyPatch, only: str, overlap: timedelta
) -> None:
    undisturbed = build(monkeypatch)
    rotate(undisturbed, only, overlap)
    points = undisturbed.points
    end = state_after(undisturbed, only, overlap)
    assert undisturbed.broken == []
    assert points > 20
    for point in range(1, points + 1):
        world = build(monkeypatch, crash_at=point)
        with pytest.raises(Crash) as died:
            rotate(world, only, overlap)
        told = f"died at {point} ({died.value}): {world.trace}"
        assert world.broken == [], told
        assert world.homeless() == [], told
        world.undisturbed()
        rotate(world, only, overlap)
        assert world.homeless() == [], told
        assert state_after(world, only, overlap) == end, told
        assert world.broken == [], told
