# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys are made present, with their values at home, by runs that die, collide, and meet stores that fail.

They run for real, on a world in memory. The promises: what readers of a store get is accepted at every moment, a run
that dies leaves no enabled key without a home that the next one does not find, and the next one ends as if nothing had
happened.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from unit.doubles import ENVIRONMENT, PENDING, Crash, World

from ansible_collections.community.honeycomb.plugins.module_utils._keys.apply import Outcome
from ansible_collections.community.honeycomb.plugins.module_utils._keys.homes import Homes
from ansible_collections.community.honeycomb.plugins.module_utils._keys.items import decide_values, find_homes
from ansible_collections.community.honeycomb.plugins.module_utils._keys.plan import Wanted
from ansible_collections.community.honeycomb.plugins.module_utils._keys.plan_many import plan_keys
from ansible_collections.community.honeycomb.plugins.module_utils._keys.present import carry_out

Store = dict[str, Any]
ENVIRONMENTS = {ENVIRONMENT.id: ENVIRONMENT}


def wanted(name: str, key_type: str = "ingest", state: str = "present", **more: Any) -> Wanted:
    permissions = {"send_events": True} if key_type == "configuration" else {"create_datasets": True}
    return Wanted(state, None, name, key_type, ENVIRONMENT, permissions, label=f"{name}: ", **more)


def at(path: str, entry: str | None = None) -> Store:
    return {"type": "file", "path": path, **({"entry": entry, "format": "env"} if entry else {})}


def declare(
    world: World,
    entries: Sequence[tuple[Wanted, Store | None]],
    *,
    on_missing: str | Sequence[str] = "fail",
    preview: bool = False,
) -> list[Outcome]:
    """What the modules do, between their options and their results."""
    keys = [entry for entry, _store in entries]
    ways = [on_missing] * len(keys) if isinstance(on_missing, str) else on_missing
    run = world.run(preview=preview)
    existing = world.service.list_keys()
    plans = plan_keys(keys, existing, run.now(), ENVIRONMENTS)
    homes = find_homes(Homes(10.0), keys, plans, [store for _entry, store in entries], ENVIRONMENTS)
    items = decide_values(run, keys, plans, homes, existing, ways, ENVIRONMENTS)
    outcomes, others = carry_out(run, plans, items, existing, world.service.list_keys)
    return [*outcomes, *others]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    made.install(monkeypatch)
    return made


def errors(outcomes: Sequence[Outcome]) -> list[str]:
    return [outcome.error.message for outcome in outcomes if outcome.error]


def state(world: World) -> dict[str, Any]:
    """What there is, in words that are the same for every run: names without times, owners in place of values.

    Put-away keys do not count: how many there are depends on what happened, and nobody can use them.
    """
    keys = sorted(
        (re.sub(r"\d{8}T\d{6}Z", "TIME", key.name), key.disabled)
        for key in world.service.keys.values()
        if not (key.disabled and key.name.endswith(" off]"))
    )

    def whose(value: str | None) -> str | None:
        owner = world.service.owner(value)
        return re.sub(r"\d{8}T\d{6}Z", "TIME", owner.name) if owner else value

    slots = {
        place: (whose(slots.live), whose(slots.pending.value) if slots.pending else None)
        for place, slots in sorted(world.memory.slots.items())
        if slots.live or slots.pending
    }
    return {"keys": keys, "slots": slots}


def is_whole(world: World, name: str, path: str, entry: str = "", key_type: str = "ingest") -> None:
    """The key is enabled, its value is live and accepted, and nothing is left over."""
    (key,) = [key for key in world.service.named(name) if key.key_type == key_type]
    assert not key.disabled
    slots = world.memory.at(path, entry)
    assert slots.live == world.service.values[str(key.id)]
    assert slots.pending is None
    assert not [other for other in world.service.enabled() if other.name == f"{name}{PENDING}"]
    assert world.broken == []


# -- situations --------------------------------------------------------------------------------------------------------


def nothing_there(_world: World, _path: str, _entry: str, _key_type: str) -> None:
    pass


def at_home(world: World, path: str, entry: str, key_type: str) -> None:
    key = world.service.add("svc", key_type, permissions=_granted(key_type))
    world.memory.put(path, entry, live=world.service.held(key).value, live_id=key.id)


def died_after_staging(world: World, path: str, entry: str, key_type: str) -> None:
    key = world.service.add(f"svc{PENDING}", key_type, disabled=True, permissions=_granted(key_type))
    world.memory.put(path, entry, pending=world.service.held(key))


def died_before_staging(world: World, _path: str, _entry: str, key_type: str) -> None:
    world.service.add(f"svc{PENDING}", key_type, disabled=True, permissions=_granted(key_type))


def died_nameless(world: World, _path: str, _entry: str, key_type: str) -> None:
    world.service.add(f"svc{PENDING}", key_type, permissions=_granted(key_type))


def died_before_publishing(world: World, path: str, entry: str, key_type: str) -> None:
    key = world.service.add("svc", key_type, permissions=_granted(key_type))
    world.memory.put(path, entry, pending=world.service.held(key))


def died_before_settling(world: World, path: str, entry: str, key_type: str) -> None:
    key = world.service.add("svc", key_type, permissions=_granted(key_type))
    world.memory.put(path, entry, pending=world.service.held(key), live=world.service.held(key).value)


def value_lost(world: World, path: str, entry: str, key_type: str) -> None:
    key = world.service.add("svc", key_type, permissions=_granted(key_type))
    world.excused |= {world.service.values[str(key.id)], "not-a-value"}
    world.memory.put(path, entry, live="not-a-value")


def waits_disabled(world: World, path: str, entry: str, key_type: str) -> None:
    key = world.service.add("svc", key_type, disabled=True, permissions=_granted(key_type))
    world.memory.put(path, entry, pending=world.service.held(key))


def _granted(key_type: str) -> dict[str, bool]:
    return {"send_events": True} if key_type == "configuration" else {"create_datasets": True}


Situation = Callable[[World, str, str, str], None]
# What there is; what is said of a missing value
SITUATIONS: dict[str, tuple[Situation, str]] = {
    "nothing there": (nothing_there, "fail"),
    "at home": (at_home, "fail"),
    "died after staging": (died_after_staging, "fail"),
    "died before staging": (died_before_staging, "fail"),
    "died nameless": (died_nameless, "fail"),
    "died before publishing": (died_before_publishing, "fail"),
    "died before settling": (died_before_settling, "fail"),
    "value lost": (value_lost, "replace"),
    "waits disabled": (waits_disabled, "fail"),
}
WITHOUT_PENDING = ("nothing there", "at home", "died before staging", "died nameless", "value lost")
CASES = [
    pytest.param(name, key_type, pending, id=f"{name}-{key_type}{'' if pending else '-no pending slot'}")
    for pending in (True, False)
    for key_type in ("ingest", "configuration")
    for name in (SITUATIONS if pending else WITHOUT_PENDING)
    # It has a test of its own.
    if (name, key_type, pending) != ("value lost", "configuration", False)
]


# -- crashes -----------------------------------------------------------------------------------------------------------


def sweep(
    monkeypatch: pytest.MonkeyPatch, build: Callable[[World], None], work: Callable[[World], Any], least: int
) -> None:
    """Let a run die at each point, then run it again undisturbed: the promises hold, and the end is the same."""

    def fresh(crash_at: int | None) -> World:
        world = World()
        world.install(monkeypatch)
        build(world)
        world.crash_at, world.points = crash_at, 0
        return world

    undisturbed = fresh(None)
    work(undisturbed)
    end, points = state(undisturbed), undisturbed.points
    assert undisturbed.broken == []
    assert points >= least, "the sweep does not reach anything"
    work(undisturbed)
    assert state(undisturbed) == end, "a second run changes something"
    for point in range(1, points + 1):
        world = fresh(point)
        with pytest.raises(Crash) as died:
            work(world)
        told = f"died at {point} ({died.value}): {world.trace}"
        assert world.broken == [], told
        assert world.homeless() == [], told
        world.undisturbed()
        work(world)
        assert world.broken == [], told
        assert state(world) == end, told


def no_errors(outcomes: Sequence[Outcome]) -> None:
    assert errors(outcomes) == []


@pytest.mark.parametrize(("situation", "key_type", "pending"), CASES)
def test_a_run_that_dies_anywhere_is_finished_by_the_next(
    monkeypatch: pytest.MonkeyPatch, situation: str, key_type: str, pending: bool
) -> None:
    build, on_missing = SITUATIONS[situation]

    def start(world: World) -> None:
        world.memory.without_pending = set() if pending else {"/svc"}
        build(world, "/svc", "", key_type)

    sweep(
        monkeypatch,
        start,
        lambda world: no_errors(declare(world, [(wanted("svc", key_type), at("/svc"))], on_missing=on_missing)),
        least=3,
    )


def test_where_nobody_can_tell_whose_value_it_is_readers_keep_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The value of a configuration key does not tell its key, and a store without a pending slot does not either.

    Where its replacement dies between the store and the names, the next run takes the new value for the old one.
    The value works; a rotation puts the old key away.
    """
    world = World()
    world.install(monkeypatch)
    world.memory.without_pending = {"/svc"}
    value_lost(world, "/svc", "", "configuration")
    world.crash_at = world.points + 18
    entries = [(wanted("svc", "configuration"), at("/svc"))]
    with pytest.raises(Crash, match="after read /svc"):
        declare(world, entries, on_missing="replace")
    world.undisturbed()
    before = state(world)
    no_errors(declare(world, entries, on_missing="replace"))
    assert state(world) == before
    assert before["slots"] == {("/svc", ""): (f"svc{PENDING}", None)}
    assert world.broken == []


def many(world: World) -> list[Outcome]:
    entries = [
        (wanted("new"), at("/apps", "new")),
        (wanted("new2"), at("/apps", "new2")),
        (wanted("new", "configuration"), at("/new")),
        (wanted("svc"), at("/apps", "svc")),
        (wanted("svc", "configuration"), at("/svc")),
        (wanted("later", state="disabled"), at("/later")),
        (wanted("plain"), at("/plain")),
        (wanted("plain", "configuration"), at("/plain2")),
        (wanted("old"), at("/old")),
    ]
    found = declare(world, entries, on_missing=["fail"] * 8 + ["replace"])
    no_errors(found)
    return found


def build_many(world: World) -> None:
    world.memory.without_pending = {"/plain", "/plain2"}
    died_after_staging(world, "/apps", "svc", "ingest")
    died_before_publishing(world, "/svc", "", "configuration")
    old = world.service.add("old", permissions=_granted("ingest"))
    world.excused.add(world.service.values[str(old.id)])


def test_many_at_once_that_die_anywhere_are_finished_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    sweep(monkeypatch, build_many, many, least=100)


def by_hand(world: World) -> None:
    """The two-step form: the user stores the value, then confirms the key by its id."""
    outcomes = declare(world, [(wanted("svc", state="pending"), None)])
    no_errors(outcomes)
    created = outcomes[0].created
    if created:
        world.point("before the user stores it")
        world.memory.put("/mine", live=created.value)
        world.point("after the user stored it")
        confirmed = Wanted("present", created.key.id, "svc", label="svc: ")
        no_errors(declare(world, [(confirmed, None)]))


@pytest.mark.parametrize("build", [nothing_there, died_before_staging, died_nameless])
def test_a_key_confirmed_by_hand_that_dies_anywhere_is_finished_by_the_next(
    monkeypatch: pytest.MonkeyPatch, build: Situation
) -> None:
    sweep(monkeypatch, lambda world: build(world, "/mine", "", "ingest"), by_hand, least=10)
