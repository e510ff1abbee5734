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
from unit.doubles import ENVIRONMENT, PENDING, Baton, Crash, World

from ansible_collections.community.honeycomb.plugins.module_utils._errors import HoneycombError
from ansible_collections.community.honeycomb.plugins.module_utils._keys.apply import Outcome
from ansible_collections.community.honeycomb.plugins.module_utils._keys.homes import Homes
from ansible_collections.community.honeycomb.plugins.module_utils._keys.items import decide_values, find_homes
from ansible_collections.community.honeycomb.plugins.module_utils._keys.plan import Wanted
from ansible_collections.community.honeycomb.plugins.module_utils._keys.plan_many import RefusedItems, plan_keys
from ansible_collections.community.honeycomb.plugins.module_utils._keys.present import carry_out

Store = dict[str, Any]
ENVIRONMENTS = {ENVIRONMENT.id: ENVIRONMENT}


def refusing(counted: list[str], number: int) -> Callable[[str], bool]:
    """Refuses one request, by its number from 1."""

    def refuse(request: str) -> bool:
        counted.append(request)
        return len(counted) == number

    return refuse


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


@pytest.mark.parametrize("live", ["retired", "not-a-value"])
def test_the_previous_slot_says_whose_value_it_is(world: World, live: str) -> None:
    """What is live is not the value of the key that is replaced: that one's is missing."""
    retired = world.service.add("svc [retired 20260101T000000Z]", permissions=_granted("ingest"))
    world.service.add("svc", permissions=_granted("ingest"))
    value = world.service.values[str(retired.id)] if live == "retired" else live
    world.excused.add(value)
    world.memory.put("/svc", live=value)
    no_errors(declare(world, [(wanted("svc"), at("/svc"))], on_missing="replace"))
    previous = world.memory.at("/svc").previous
    assert (previous.value, previous.key_id) == (value, retired.id if live == "retired" else None)


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


# -- two runs at once --------------------------------------------------------------------------------------------------


def deleted_too_late(world: World) -> bool:
    """Whether a leftover was found disabled, and another run enabled it before it was deleted.

    Honeycomb has no deletion with a condition. Between the look and the deletion there is nothing but one answer; what
    another run does meanwhile is lost, and told.
    """
    looked: set[str] = set()
    for request in world.service.requests:
        what, key_id = (*request.split(), "")[:2]
        if what == "get_key":
            looked.add(key_id)
        elif what == "delete_key":
            looked.discard(key_id)
        elif what == "update_key" and key_id in looked:
            return True
    return False


@pytest.mark.parametrize(("situation", "key_type", "pending"), CASES)
def test_two_runs_at_once_end_with_one_key(
    monkeypatch: pytest.MonkeyPatch, situation: str, key_type: str, pending: bool
) -> None:
    """One run until any request or store call, the other one until any, and then the rest of both."""
    build, on_missing = SITUATIONS[situation]
    entries = [(wanted("svc", key_type), at("/svc"))]
    ends: set[object] = set()
    # Whether the other run begins after a call, or before the next one, makes no difference.
    for first in range(1, 32, 2):
        for second in range(1, 32, 2):
            world = World()
            world.install(monkeypatch)
            world.memory.without_pending = set() if pending else {"/svc"}
            build(world, "/svc", "", key_type)
            world.baton = Baton([first, second, -1, -1])

            def work(world: World = world) -> list[str]:
                return errors(declare(world, entries, on_missing=on_missing))

            results = world.baton.run([work, work])
            world.baton = None
            told = f"{first}, {second}: {results} {world.trace}"
            assert all(isinstance(result, (list, HoneycombError)) for result in results), told
            if deleted_too_late(world):
                ends.add("deleted too late")
                world.broken.clear()
                world.excused.add(world.memory.at("/svc").live or "")
            else:
                ends.add(tuple(not result for result in results))
                assert [] in results, told
                assert world.broken == [], told
                is_whole(world, "svc", "/svc", "", key_type)
            world.undisturbed()
            no_errors(declare(world, entries, on_missing=on_missing))
            is_whole(world, "svc", "/svc", "", key_type)
    assert (True, True) in ends, "where the other run begins in time, it finds everything done"


# -- stores that fail --------------------------------------------------------------------------------------------------

EFFECTS = ("refuse", "hang", "hang after", "lose", "garble", "overtake", "break")
FAULTS = [
    pytest.param(effect, call, nth, times, id=f"{effect}-{call}-{nth}-{'once' if times else 'always'}")
    for effect in EFFECTS
    for call, last in (("stage", 1), ("publish", 1), ("settle", 1), ("read", 3))
    for nth in range(1 if call != "read" else 2, last + 1)
    for times in (1, None)
    if effect != "overtake" or call == "publish"
]


def tells_no_value(world: World, *texts: object) -> None:
    for value in world.service.values.values():
        for text in texts:
            assert value[-20:] not in str(text)
            assert value[-20:] not in repr(text)


def check_failure(world: World, outcomes: Sequence[Outcome]) -> None:
    """A failure of ``svc`` is told with its place and what to do next; the other key is not affected."""
    messages = errors(outcomes)
    tells_no_value(world, *messages, world.warnings, *(outcome.stored for outcome in outcomes))
    tells_no_value(world, *(outcome.error for outcome in outcomes), *(outcome.plan for outcome in outcomes))
    for message in [*messages, *world.warnings]:
        assert "/svc" in message
        assert "/other" not in message
    for message in messages:
        assert message.startswith("Key hcx")
        assert "'svc' of production" in message
        assert "erun" in message.split(". ")[-1], "it does not end with what to do"
    is_there(world, "other", "/other")


def is_there(world: World, name: str, path: str) -> None:
    (key,) = world.service.named(name)
    assert (key.disabled, world.memory.at(path).live) == (False, world.service.values[str(key.id)])


@pytest.mark.parametrize(
    ("situation", "pending"),
    [
        *((name, pending) for name in ("nothing there", "died nameless", "value lost") for pending in (True, False)),
        ("waits disabled", True),
    ],
)
@pytest.mark.parametrize(("effect", "call", "nth", "times"), FAULTS)
def test_a_store_that_fails(
    world: World, situation: str, pending: bool, effect: str, call: str, nth: int, times: int | None
) -> None:
    build, on_missing = SITUATIONS[situation]
    world.memory.without_pending = set() if pending else {"/svc"}
    build(world, "/svc", "", "ingest")
    world.memory.fail(effect, call, nth=nth, times=times, path="/svc")
    # What another writer wrote, and what a store makes of a value, is not the engine's.
    world.excused |= {"written-by-somebody-else"}
    entries = [(wanted("svc"), at("/svc")), (wanted("other"), at("/other"))]
    outcomes = declare(world, entries, on_missing=on_missing)
    check_failure(world, outcomes)
    assert world.homeless() == []
    # A store that says of a value that it does not have it, but has it, can't be helped.
    if effect != "garble" and (call, effect, pending) != ("read", "lose", False):
        assert world.broken == []
    world.broken.clear()
    world.excused.add(world.memory.at("/svc").live or "")
    failed, warned = bool(errors(outcomes)), bool(world.warnings)
    if call == "settle":
        assert (failed, warned) == (False, pending and effect not in ("lose", "garble"))
    elif call == "publish" or (call == "stage" and pending and situation != "waits disabled" and times is None):
        assert failed
    if not failed:
        is_there(world, "svc", "/svc")
    # What every message says.
    world.undisturbed()
    no_errors(declare(world, entries, on_missing=on_missing))
    is_whole(world, "svc", "/svc")
    is_whole(world, "other", "/other")


@pytest.mark.parametrize("pending", [True, False], ids=["", "no pending slot"])
@pytest.mark.parametrize("nth", range(1, 10))
def test_a_store_that_is_sealed_in_the_middle(world: World, nth: int, pending: bool) -> None:
    world.memory.without_pending = set() if pending else {"/svc"}
    world.memory.fail("refuse", nth=nth, times=None, path="/svc")
    entries = [(wanted("svc"), at("/svc")), (wanted("other"), at("/other"))]
    if nth <= 2:
        with pytest.raises(RefusedItems) as caught:
            declare(world, entries)
        assert "svc: memory /svc can't be written: permission denied." in caught.value.message
        assert "Nothing was written" in caught.value.message
        assert world.service.keys == {}
    else:
        outcomes = declare(world, entries)
        check_failure(world, outcomes)
        assert world.homeless() == []
        assert bool(errors(outcomes)) == (nth < (7 if pending else 5))
    world.undisturbed()
    no_errors(declare(world, entries))
    is_whole(world, "svc", "/svc")
    is_whole(world, "other", "/other")


@pytest.mark.parametrize(("effect", "told"), [("hang", "no answer within 10 s"), ("break", "RuntimeError")])
@pytest.mark.parametrize("call", ["probe", "read"])
def test_a_store_that_fails_at_first_stops_everything(world: World, effect: str, told: str, call: str) -> None:
    world.memory.put("/svc", live="sssssssssssssssssssssecret")
    world.memory.fail(effect, call, path="/svc")
    with pytest.raises(RefusedItems, match=told) as caught:
        declare(world, [(wanted("svc"), at("/svc")), (wanted("other"), at("/other"))])
    assert "/svc" in caught.value.message
    assert "secret" not in caught.value.message
    assert world.service.keys == {}


def test_one_entry_in_conflict_does_not_hold_up_the_others(world: World) -> None:
    world.excused.add("mine")
    entries = [(wanted(name), at("/apps", name)) for name in "abc"]
    real = world.service.check_value

    def overtake(value: str) -> Any:
        world.memory.put("/apps", "b", live="mine")
        return real(value)

    world.service.check_value = overtake  # type: ignore[method-assign]
    (message,) = errors(declare(world, entries))
    assert "'b' of production: memory /apps#b was changed by somebody else" in message
    assert "Its value is kept in the pending slot of memory /apps#b: rerun, and this key is used." in message
    world.service.check_value = real  # type: ignore[method-assign]
    for name in "ac":
        is_whole(world, name, "/apps", name)
    before = len(world.service.keys)
    no_errors(declare(world, entries))
    is_whole(world, "b", "/apps", "b")
    assert len(world.service.keys) == before, "it did not use this key"


@pytest.mark.parametrize(("situation", "key_type", "pending"), CASES)
def test_a_request_that_fails(monkeypatch: pytest.MonkeyPatch, situation: str, key_type: str, pending: bool) -> None:
    """Each request in turn is refused, once; where a task goes on, its other key is not affected."""
    build, on_missing = SITUATIONS[situation]
    entries = [(wanted("svc", key_type), at("/svc")), (wanted("other"), at("/other"))]
    for number in range(1, 40):
        world = World()
        world.install(monkeypatch)
        world.memory.without_pending = set() if pending else {"/svc"}
        build(world, "/svc", "", key_type)
        counted: list[str] = []

        world.service.refuse = refusing(counted, number)
        try:
            messages = errors(declare(world, entries, on_missing=on_missing))
        except HoneycombError as exc:
            messages = [exc.message]
        if len(counted) < number:
            assert not messages
            break
        told = f"{counted[number - 1]}: {messages} {world.warnings}"
        # Whether a value is accepted is asked again.
        if not counted[number - 1].startswith("check_value"):
            assert messages, told
        if len(messages) == 2:
            assert counted[number - 1] == "list_keys", told
            assert all("looking for other runs failed" in message for message in messages), told
        tells_no_value(world, *messages, world.warnings)
        assert world.broken == [], told
        assert world.homeless() == [], told
        world.undisturbed()
        no_errors(declare(world, entries, on_missing=on_missing))
        is_whole(world, "svc", "/svc", "", key_type)
        is_whole(world, "other", "/other")
    else:
        pytest.fail("it never ends")
