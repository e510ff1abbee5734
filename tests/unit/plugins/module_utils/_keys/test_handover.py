# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rotations hand values over with the same steps: here they die and meet stores that fail, on a world in memory."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from unit.doubles import ENVIRONMENT, START, Baton, Crash, World

from ansible_collections.community.honeycomb.plugins.module_utils._errors import HoneycombError
from ansible_collections.community.honeycomb.plugins.module_utils._keys.homes import Address, Homes
from ansible_collections.community.honeycomb.plugins.module_utils._rotation import by_hand
from ansible_collections.community.honeycomb.plugins.module_utils._rotation.decisions import Policy
from ansible_collections.community.honeycomb.plugins.module_utils._rotation.jobs import Job, Staged
from ansible_collections.community.honeycomb.plugins.module_utils._rotation.promote import promote
from ansible_collections.community.honeycomb.plugins.module_utils._rotation.report import overview
from ansible_collections.community.honeycomb.plugins.module_utils._rotation.stage import stage
from ansible_collections.community.honeycomb.plugins.module_utils._rotation.survey import Changes
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


def jobs(only: str = "abcde", overlap: timedelta = timedelta(0), lock_time: timedelta = timedelta(0)) -> list[Job]:
    homes = Homes(10.0)
    policy = Policy(overlap=overlap, lock_time=lock_time)
    found = []
    for position, (name, key_type, path, entry) in enumerate(key for key in KEYS if key[0] in only):
        dictionary = {"type": "file", "path": path, "entry": entry or None}
        home = homes.find(dictionary, Address(name, ENVIRONMENT.slug, key_type))
        found.append(Job(position, name, key_type, ENVIRONMENT, policy, home))
    return found


def handed_on(staged: Any, all_jobs: list[Job]) -> list[Staged]:
    """As it comes back through the role."""
    return [Staged.from_options(entry.as_result(), all_jobs[entry.position].home) for entry in staged]


def rotate(
    world: World, only: str = "abcde", overlap: timedelta = timedelta(0), lock_time: timedelta = timedelta(0)
) -> Changes:
    """What the role does where the store is all that there is to deploy to."""
    done = stage(world.run(), jobs(only, overlap, lock_time))
    if not done.staged:
        return done
    _promoted, failures = promote(world.run(), handed_on(done.staged, jobs(only, overlap)), [])
    return replace(done, failures=[*done.failures, *failures])


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


# -- stores that fail --------------------------------------------------------------------------------------------------


def attempt(world: World, only: str, lock_time: timedelta = timedelta(0)) -> list[str]:
    """One rotation; what it said went wrong."""
    try:
        done = rotate(world, only, lock_time=lock_time)
    except HoneycombError as exc:
        return [exc.message]
    return [*overview(done.cases, START)["blocked"], *(failure.message for failure in done.failures)]


EFFECTS = ("refuse", "hang", "hang after", "lose", "garble", "overtake", "break")
FAULTS = [
    pytest.param(effect, call, nth, times, id=f"{effect}-{call}-{nth}-{'once' if times else 'always'}")
    for effect in EFFECTS
    for call, last in (("probe", 1), ("stage", 1), ("publish", 1), ("settle", 1), ("read", 5))
    for nth in range(1, last + 1)
    for times in (1, None)
    if (effect != "overtake" or call == "publish") and not (call == "probe" and effect in ("lose", "garble"))
]


@pytest.mark.parametrize("name", ["c", "d"])
@pytest.mark.parametrize(("effect", "call", "nth", "times"), FAULTS)
def test_a_store_that_fails(world: World, name: str, effect: str, call: str, nth: int, times: int | None) -> None:
    path = next(path for known, _type, path, _entry in KEYS if known == name)
    world.memory.fail(effect, call, nth=nth, times=times, path=path)
    world.excused.add("written-by-somebody-else")
    told = attempt(world, f"a{name}")
    for value in world.service.values.values():
        for text in [*told, *world.warnings]:
            assert value[-20:] not in text
    for text in [*told, *world.warnings]:
        assert path in text
        assert "/apps" not in text
    for text in told:
        assert f"key '{name}' of production" in text
    odd = effect in ("lose", "garble")
    if effect not in ("garble", "overtake"):
        assert world.homeless() == []
    if not odd:
        assert world.broken == []
    if call in ("stage", "publish") and (times is None or call == "publish") and not (call == "stage" and name == "d"):
        assert told
    if call == "settle" and name == "c" and not odd:
        assert not told
        assert "a later run does that" in world.warnings[0]
    live = world.memory.at(path).live
    world.excused.add(live if effect == "garble" and live else "")
    world.broken.clear()
    world.undisturbed()
    assert attempt(world, f"a{name}") == []
    assert world.broken == []
    if call == "settle":
        # Until the next rotation, which uses the slot again; it holds what is live.
        held = world.memory.at(path).pending
        assert held is None or held.value == world.memory.at(path).live
        world.memory.put(path, pending=None)
    is_rotated(world, f"a{name}")


def test_what_fails_says_in_what_state_things_are(world: World) -> None:
    cases = {
        "probe": "Nothing was done. Fix the store, then rerun",
        "stage": "The old key is unchanged. The new key {}, which nobody has, is disabled. Rerun",
        "publish": "The old key is unchanged. The new value is kept in the pending slot of memory /c: rerun",
    }
    for call, state_told in cases.items():
        world.memory.fail("refuse", call, path="/c")
        (told,) = attempt(world, "c")
        newest = list(world.service.keys)[-1]
        expected = state_told.format(newest)
        assert f"memory /c can't be written: permission denied. {expected} the rotation" in told
        assert len(world.service.enabled()) == len(KEYS) + (call == "publish")
    before = {key.id for key in world.service.keys.values()}
    assert attempt(world, "c") == []
    assert {key.id for key in world.service.keys.values()} == before, "it did not go on with the same key"
    is_rotated(world, "c")


def test_a_key_that_fails_does_not_keep_others_from_being_finished(world: World) -> None:
    """One is not promoted, since somebody changed its store; the pending slot of the other is emptied all the same."""
    all_jobs = jobs("ac")
    done = stage(world.run(), all_jobs)
    world.excused.add("mine")
    world.memory.put("/c", live="mine")
    _promoted, (failure,) = promote(world.run(), handed_on(done.staged, all_jobs), ["given", "given"])
    assert "Configuration key 'c' of production: memory /c does not hold the value of its new key" in failure.message
    assert "Nothing was promoted; the old key is unchanged. Rerun the rotation." in failure.message
    is_rotated(world, "a")
    assert attempt(world, "ac") == []
    is_rotated(world, "ac")


def test_a_restored_value_is_that_of_the_restored_key(world: World) -> None:
    """Also where the live value that was replaced was not that of the old key."""
    rotate(world, "ac")
    old = {name: world.memory.at(path, entry).previous for name, _type, path, entry in KEYS if name in "ac"}
    by_hand.restore(world.run(), jobs("ac"), None)
    assert world.memory.at("/apps", "a").live == old["a"].value
    assert world.memory.at("/c").live == old["c"].value
    assert world.broken == []
    by_hand.retire(world.run(), jobs("ac"))
    for name, path, entry in (("a", "/apps", "a"), ("c", "/c", "")):
        (key,) = world.service.named(name)
        assert world.memory.at(path, entry).live == world.service.values[str(key.id)]
    assert world.broken == []


def test_a_dead_value_is_not_kept_as_that_of_the_old_key(world: World) -> None:
    world.excused.add("not-a-value")
    world.memory.put("/apps", "a", live="not-a-value")
    rotate(world, "a")
    previous = world.memory.at("/apps", "a").previous
    assert (previous.value, previous.key_id) == ("not-a-value", None)


def test_two_rotations_at_once_end_with_one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for first in range(1, 46, 4):
        for second in range(1, 46, 4):
            world = build(monkeypatch)
            world.baton = Baton([first, second, -1, -1])

            def work(world: World = world) -> list[str]:
                return attempt(world, "a", timedelta(hours=1))

            results = world.baton.run([work, work])
            world.baton = None
            assert world.broken == [], (first, second, results, world.trace)
            assert [] in results, (first, second, results, world.trace)
            world.undisturbed()
            assert attempt(world, "a") == []
            is_rotated(world, "a")
