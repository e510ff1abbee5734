# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What comes next for a key and its value: the table, row by row, and what holds whatever there is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.doubles import ENVIRONMENT, START, Service

from ansible_collections.community.honeycomb.plugins.module_utils._api.resources import ApiKey
from ansible_collections.community.honeycomb.plugins.module_utils._errors import InputError
from ansible_collections.community.honeycomb.plugins.module_utils._keys.generations import Listing, Marks
from ansible_collections.community.honeycomb.plugins.module_utils._keys.plan import update_plan
from ansible_collections.community.honeycomb.plugins.module_utils._keys.values import (
    ON_MISSING,
    Course,
    Situation,
    decide,
    foreign,
    has_to_ask,
    owner,
    plan_confirmation,
)
from ansible_collections.community.honeycomb.plugins.module_utils._stores.store import Held, Slots

GRANTED = {"create_datasets": True}
STAMP = "20260101T000000Z"
NAMES = {
    "current": "svc",
    "pending": "svc [pending]",
    "retired": f"svc [retired {STAMP}]",
    "stale": f"svc [stale {STAMP}]",
    "restored": f"svc [restored {STAMP}]",
    "other": "another",
}


class Place:
    """A key's family at Honeycomb, and what the store holds."""

    def __init__(self, key_type: str = "ingest", *, has_pending: bool = True) -> None:
        self.service = Service()
        self.key_type = key_type
        self.has_pending = has_pending
        self.slots = Slots()
        self.wanted_disabled = False

    def add(self, kind: str, *, disabled: bool = False, permissions: dict[str, bool] | None = None) -> ApiKey:
        # The older, the earlier it was added.
        self.service.time += timedelta(seconds=1)
        return self.service.add(NAMES[kind], self.key_type, disabled=disabled, permissions=permissions or GRANTED)

    def hold(self, *, live: ApiKey | str | None = None, pending: ApiKey | None = None) -> None:
        value = self.service.values[str(live.id)] if isinstance(live, ApiKey) else live
        self.slots = Slots(live=value, pending=self.service.held(pending) if pending else None)

    def __repr__(self) -> str:
        keys = [(key.id, key.name, key.disabled) for key in self.service.keys.values()]
        live, held = self.service.owner(self.slots.live), self.slots.pending
        shown = f"live={live.id if live else self.slots.live}, pending={held and held.key_id}"
        return f"Place({self.key_type}, {self.has_pending=}, {self.wanted_disabled=}, {keys}, {shown})"

    def situation(self, **more: Any) -> Situation:
        found = self.service.named("svc")
        new = ApiKey(None, "svc", self.key_type, ENVIRONMENT.id, self.wanted_disabled, GRANTED)
        situation = Situation(
            base="svc",
            wanted=replace(found[0], disabled=self.wanted_disabled) if found else new,
            unseen=bool(found and found[0].disabled),
            slots=self.slots,
            has_pending=self.has_pending,
            listing=Listing(self.service.keys.values()),
            place="the place",
            label="label: ",
            slug=ENVIRONMENT.slug,
            **more,
        )
        if not has_to_ask(situation):
            return situation
        return replace(situation, live_check=self.service.check_value(str(self.slots.live)), team="team")

    def decide(self, on_missing: str = "fail") -> Course:
        return decide(self.situation(), on_missing)


@pytest.fixture(params=["ingest", "configuration"])
def place(request: pytest.FixtureRequest) -> Place:
    return Place(request.param)


# -- the table, row by row ---------------------------------------------------------------------------------------------


def test_nothing_there_create(place: Place) -> None:
    course = place.decide()
    assert (course.action, course.creates, course.held) == ("create", True, None)
    assert (course.key.id, course.key.name, course.key.disabled) == (None, "svc [pending]", True)
    assert course.key.permissions == GRANTED
    assert (course.leftovers, course.superseded, course.replaces) == ((), (), None)


@pytest.mark.parametrize("disabled", [True, False])
def test_pending_and_staged_finish(place: Place, disabled: bool) -> None:
    key = place.add("pending", disabled=disabled)
    place.hold(pending=key)
    course = place.decide()
    assert (course.action, course.creates) == ("finish", False)
    assert (course.key, course.held) == (key, place.service.held(key))


def test_pending_disabled_and_not_staged_discard_and_create(place: Place) -> None:
    key = place.add("pending", disabled=True)
    course = place.decide()
    assert (course.action, course.creates) == ("create", True)
    assert (course.leftovers, course.superseded) == ((key,), ())


def test_pending_enabled_and_not_staged_create_and_disable_it_later(place: Place) -> None:
    key = place.add("pending")
    course = place.decide()
    assert (course.action, course.creates) == ("create", True)
    assert (course.leftovers, course.superseded) == ((), (key,))


@pytest.mark.parametrize("on_missing", ON_MISSING)
def test_current_and_live_keep(place: Place, on_missing: str) -> None:
    key = place.add("current")
    place.hold(live=key)
    assert place.decide(on_missing) == Course("keep", key)


def test_current_and_live_and_pending_settle(place: Place) -> None:
    """A run died at the very end: whatever else it did not do, it did not put away what it superseded."""
    left, off = place.add("pending"), place.add("pending", disabled=True)
    key = place.add("current")
    place.hold(live=key, pending=key)
    assert place.decide() == Course("keep", key, settle=True, superseded=(left,))
    place.hold(live=key)
    assert place.decide() == Course("keep", key), "it may be another run's, which is at work"
    assert off in place.service.keys.values()


@pytest.mark.parametrize("live", [None, "not-a-value", "a-text-that-could-be-a-value-of-a-key"])
@pytest.mark.parametrize("on_missing", ON_MISSING)
def test_current_and_staged_publish(place: Place, live: str | None, on_missing: str) -> None:
    left = place.add("pending")
    key = place.add("current")
    place.hold(live=live, pending=key)
    assert place.decide(on_missing) == Course("publish", key, place.service.held(key), superseded=(left,))


@pytest.mark.parametrize("kind", ["pending", "restored"])
@pytest.mark.parametrize("on_missing", ON_MISSING)
def test_another_generation_is_live_keep(kind: str, on_missing: str) -> None:
    """A rotation, or an operator, is at work."""
    place = Place()
    key, other = place.add("current"), place.add(kind)
    place.hold(live=other, pending=other if kind == "pending" else None)
    assert place.decide(on_missing) == Course("keep", key)


@pytest.mark.parametrize("live", [None, "not-a-value", "retired"])
def test_anything_else_is_missing(live: str | None) -> None:
    place = Place()
    key, retired = place.add("current"), place.add("retired")
    place.hold(live=retired if live == "retired" else live)
    with pytest.raises(InputError) as caught:
        place.decide()
    holds = "holds a value, but not that of this key" if live else "holds no value"
    assert caught.value.message.startswith(f"label: key {key.id} (svc) exists, but the place {holds}.")
    assert "on_missing=replace" in caught.value.message
    assert "on_missing=ignore" in caught.value.message
    assert place.decide("ignore") == Course("keep", key)
    course = place.decide("replace")
    assert (course.action, course.creates, course.replaces) == ("replace", True, key)
    assert (course.key.id, course.key.name, course.key.disabled) == (None, "svc [pending]", True)


def test_a_replacement_goes_on_with_a_staged_key(place: Place) -> None:
    key, pending = place.add("current"), place.add("pending", disabled=True)
    place.hold(live="not-a-value", pending=pending)
    course = place.decide("replace")
    assert (course.action, course.creates, course.key, course.replaces) == ("replace", False, pending, key)


# -- beyond the table --------------------------------------------------------------------------------------------------


def test_a_disabled_key_is_left_alone(place: Place) -> None:
    key = place.add("current", disabled=True)
    place.wanted_disabled = True
    place.hold(live="not-a-value")
    assert place.decide() == Course("keep", key)


def test_a_disabled_key_whose_value_waits_is_published(place: Place) -> None:
    key = place.add("current", disabled=True)
    place.hold(pending=key)
    assert (place.decide().action, place.decide().held) == ("publish", place.service.held(key))


def test_a_value_with_another_end_is_not_the_keys() -> None:
    """An ingest value begins with its key's id, but that is not all of it."""
    place = Place()
    key = place.add("current")
    place.hold(live=f"{place.service.values[str(key.id)][:-1]}#", pending=key)
    assert place.decide().action == "publish"


def test_what_is_live_comes_before_what_is_staged() -> None:
    place = Place()
    staged, live = place.add("pending", disabled=True), place.add("pending")
    place.hold(live=live, pending=staged)
    assert place.decide() == Course("finish", live, Held(place.service.values[str(live.id)], live.id), (), (staged,))


def test_a_staged_key_that_is_not_what_is_wanted_now_is_not_used() -> None:
    """The task has changed since the run died: an ingest key's permissions can't."""
    place = Place()
    key = place.add("pending", disabled=True, permissions={"create_datasets": False})
    place.hold(pending=key)
    course = place.decide()
    assert (course.action, course.creates) == ("create", True)
    assert (course.leftovers, course.superseded) == ((), (key,)), "it is put away when there is another"


@pytest.mark.parametrize("has_pending", [True, False])
def test_a_published_key_without_a_name_is_finished(place: Place, has_pending: bool) -> None:
    """Without a pending slot nothing tells whose the value of a configuration key is. It is that of the newest one."""
    place.has_pending = has_pending
    older, newer = place.add("pending"), place.add("pending")
    place.hold(live=newer)
    if place.key_type == "configuration" and has_pending:
        with pytest.raises(InputError, match="holds a value that Honeycomb accepts as a configuration key"):
            place.decide()
        return
    course = place.decide()
    assert (course.action, course.key, course.superseded) == ("finish", newer, (older,))


def test_a_published_replacement_without_a_name_is_finished_where_a_replacement_is_wanted() -> None:
    place = Place(has_pending=False)
    key, pending = place.add("current"), place.add("pending")
    place.hold(live=pending)
    assert place.decide() == Course("keep", key)
    course = place.decide("replace")
    assert (course.action, course.key, course.replaces) == ("replace", pending, key)


@pytest.mark.parametrize("current", [True, False])
@pytest.mark.parametrize("on_missing", ON_MISSING)
def test_the_value_of_another_key_is_not_overwritten(current: bool, on_missing: str) -> None:
    place = Place()
    if current:
        place.hold(pending=place.add("current"))
    other = place.add("other")
    place.hold(live=other, pending=place.service.named("svc")[0] if current else None)
    with pytest.raises(InputError) as caught:
        place.decide(on_missing)
    assert caught.value.message.startswith(f"label: the place holds the value of another key, {other.id} (another)")
    place.service.change(str(other.id), disabled=True)
    assert place.decide(on_missing).action in ("create", "publish"), "nobody can be using that one"


def test_a_value_of_another_type_is_not_overwritten() -> None:
    """The listing may have keys of one type only."""
    place = Place()
    other = place.service.add("another", "configuration")
    place.hold(live=other)
    situation = replace(place.situation(), listing=Listing([]))
    assert (situation.live_check is None, owner(situation)) == (False, None)
    assert "accepts as a configuration key of environment production" in str(foreign(situation, None))
    with pytest.raises(InputError, match="give this key another place, or empty this one"):
        decide(situation, "replace")


@pytest.mark.parametrize(
    ("team", "slug", "key_type", "mine"),
    [
        ("team", "production", "configuration", True),
        ("another", "production", "configuration", False),
        ("team", "staging", "configuration", False),
        ("team", "production", "ingest", False),
    ],
)
def test_an_accepted_configuration_value_is_the_keys_where_everything_fits(
    team: str, slug: str, key_type: str, mine: bool
) -> None:
    place = Place("configuration")
    key = place.add("current")
    place.hold(live=key)
    situation = place.situation()
    assert situation.live_check is not None
    check = replace(situation.live_check, team={"slug": team}, environment={"slug": slug}, key_type=key_type)
    assert (owner(replace(situation, live_check=check)) == key.id) == mine
    other = place.add("other")
    named = replace(situation.live_check, id=other.id)
    assert owner(replace(situation, listing=Listing([key, other]), live_check=named)) == other.id


def test_what_a_store_remembers_is_not_asked() -> None:
    place = Place("configuration")
    key = place.add("current")
    place.slots = Slots(live=place.service.values[str(key.id)], live_id=key.id)
    assert not has_to_ask(place.situation())
    assert place.decide() == Course("keep", key)


@pytest.mark.parametrize("live", ["short", "with blanks in between the letters", "x" * 200, "päßwörter-" * 3])
def test_what_can_not_be_a_value_is_not_sent(live: str) -> None:
    place = Place("configuration")
    place.add("current")
    place.hold(live=live)
    assert not has_to_ask(place.situation())


def test_no_value_is_shown(place: Place) -> None:
    key = place.add("current")
    place.hold(live=key, pending=key)
    situation = place.situation()
    for shown in (repr(situation), repr(place.decide()), str(place.decide())):
        assert place.service.values[str(key.id)] not in shown


# -- whatever there is -------------------------------------------------------------------------------------------------

families = st.lists(
    st.tuples(st.sampled_from(["pending", "retired", "stale", "restored", "other"]), st.booleans()), max_size=5
)


@st.composite
def places(draw: st.DrawFn) -> Place:
    place = Place(draw(st.sampled_from(["ingest", "configuration"])), has_pending=draw(st.booleans()))
    members = draw(families) + draw(st.sampled_from([[], [("current", False)], [("current", True)]]))
    for kind, disabled in draw(st.permutations(members)):
        place.add(kind, disabled=disabled)
    held = st.none() | st.sampled_from([*place.service.keys.values()]) if place.service.keys else st.none()
    place.hold(
        live=draw(held | st.sampled_from(["not-a-value", "a-text-that-could-be-a-value-of-a-key"])),
        pending=draw(held) if place.has_pending else None,
    )
    place.wanted_disabled = place.has_pending and draw(st.sampled_from([False, False, True]))
    return place


def carry_out(place: Place, course: Course) -> None:
    """What the handover makes of it, in short."""
    service, key = place.service, course.key
    for other in course.leftovers:
        del service.keys[str(other.id)]
    if course.creates:
        key = service.add(key.name, key.key_type, disabled=True, permissions=key.permissions)
    if course.replaces:
        service.change(str(course.replaces.id), name=NAMES["retired"])
    service.change(str(key.id), name="svc", disabled=place.wanted_disabled)
    for other in course.superseded:
        service.change(str(other.id), name=f"svc [stale {STAMP} off]", disabled=True)
    if place.wanted_disabled and course.action != "keep":
        place.slots = replace(place.slots, pending=service.held(key))
    elif course.action != "keep":
        place.hold(live=key)
    elif course.settle:
        place.slots = replace(place.slots, pending=None)


def guessed(situation: Situation) -> bool:
    """Whether Honeycomb accepts the value, and nothing tells whose it is: the one thing that can be wrong."""
    return situation.live_check is not None and situation.wanted.key_type == "configuration"


@settings(max_examples=600)
@given(place=places(), on_missing=st.sampled_from(ON_MISSING))
def test_what_holds_for_every_decision(place: Place, on_missing: str) -> None:
    service, situation = place.service, place.situation()
    live, held = service.owner(place.slots.live), place.slots.pending
    try:
        course = decide(situation, on_missing)
    except InputError as exc:
        course = None
        assert exc.message.startswith("label: ")
        again: Any = pytest.raises(InputError, decide, situation, on_missing)
        assert again.value.message == exc.message
    if course is None:
        return
    assert decide(situation, on_missing) == course, "it is not deterministic"
    at_home = {key.id for key in (live, held and service.keys.get(str(held.key_id))) if key}
    known = {owner(situation), held.key_id if held else None}
    assert not {key.id for key in course.leftovers} & at_home & known, "it deletes a key whose value is at home"
    assert all(key.disabled and key.name == NAMES["pending"] for key in course.leftovers)
    assert all(key.name == NAMES["pending"] for key in course.superseded)
    assert course.key not in (*course.leftovers, *course.superseded)
    if course.action == "keep":
        assert not course.leftovers
        assert not course.superseded or course.settle
    elif live and not live.disabled and live.name == NAMES["other"]:
        assert guessed(situation), "it publishes over the value of another key"
    if course.creates:
        pending = [key for key in service.named(NAMES["pending"]) if key.id in at_home & known]
        assert not pending, "it creates a key although the store has the value of one"
    if course.held:
        whose = service.owner(course.held.value)
        assert (whose and whose.id) == course.key.id or guessed(situation)
    if course.action == "keep" and situation.wanted.id is None:
        # A rotation has deployed this key, and will give it its name.
        assert course.key.name == NAMES["pending"] and not course.key.disabled
        assert any(entry.mark == "retired" for entry in situation.generations)
        return
    carry_out(place, course)
    if place.key_type == "configuration" and situation.unseen and has_to_ask(situation):
        return  # Honeycomb refuses it while the key is disabled. The next run finds out whether it is the key's.
    after = decide(place.situation(), on_missing)
    assert (after.action, after.settle, after.superseded) == ("keep", False, ()), "it is not done with one decision"


# -- confirmation ------------------------------------------------------------------------------------------------------


def confirm(place: Place, key: ApiKey, name: str = "svc") -> list[Any]:
    plan = update_plan(key, {"name": name}, label="label: ")
    return plan_confirmation(plan, Listing(place.service.keys.values()), Marks(), START)


def test_a_confirmed_key_takes_the_place_of_those_before_it(place: Place) -> None:
    left, off, key = place.add("pending"), place.add("pending", disabled=True), place.add("pending")
    place.service.add("svc [pending]", "ingest" if place.key_type == "configuration" else "configuration")
    place.add("retired")
    steps = confirm(place, key)
    assert [step.key for step in steps] == [left, off]
    assert all(step.changes == {"name": f"svc [stale {STAMP} off]", "disabled": True} for step in steps)


def test_only_a_pending_key_is_confirmed(place: Place) -> None:
    place.add("pending")
    assert confirm(place, place.add("other")) == []
    assert confirm(place, place.add("current"), "new name") == []


def test_a_name_is_confirmed_once(place: Place) -> None:
    key, taken = place.add("pending"), place.add("current")
    with pytest.raises(InputError) as caught:
        confirm(place, key)
    assert caught.value.message.startswith(f"label: name: key {taken.id} is called 'svc' already, so {key.id} can't be")


# -- a rotation that is in the middle of its promotion -----------------------------------------------------------------


@pytest.mark.parametrize("after", [True, False], ids=["retired after it", "retired before it"])
def test_a_key_that_a_rotation_has_deployed_is_left_to_it(after: bool) -> None:
    """The key before is retired already, and the store is not where consumers got the value from."""
    created = "2026-01-01T12:00:00Z"
    deployed = ApiKey("hcxik_1", NAMES["pending"], "ingest", "env", False, created_at=created)
    stamp = "20260101T120500Z" if after else "20260101T115500Z"
    retired = ApiKey("hcxik_0", f"svc [retired {stamp}]", "ingest", "env", False)
    wanted = ApiKey(None, "svc", "ingest", "env", False)
    for slots in (Slots(), None):
        course = decide(
            Situation(base="svc", wanted=wanted, slots=slots, listing=Listing([retired, deployed])), "replace"
        )
        assert (course.action, course.key.id) == (("keep", "hcxik_1") if after else ("create", None))


def test_the_value_of_another_key_is_named_whatever_is_missing() -> None:
    """To replace the key would be refused, so that is no advice."""
    key = ApiKey("hcxik_1", "svc", "ingest", "env", False)
    other = ApiKey("hcxik_2", "other", "ingest", "env", False)
    slots = Slots(live="hcxik_2" + "x" * 32)
    situation = Situation(base="svc", wanted=key, slots=slots, listing=Listing([key, other]), place="the place")
    for on_missing in ("fail", "replace"):
        with pytest.raises(InputError, match="the place holds the value of another key, hcxik_2 .other., which is en"):
            decide(situation, on_missing)
    assert decide(situation, "ignore").action == "keep"
