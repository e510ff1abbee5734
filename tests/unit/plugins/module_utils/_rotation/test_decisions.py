# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rotation's decisions under everything that may happen: crashes, clocks, lost answers, people.

The phases run for real, on a service in memory that can die at any request. What is checked after every single request
are the promises: no consumer is cut off, only what is marked, disabled and old enough is deleted.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.community.honeycomb.plugins.module_utils._api.client import ValueCheck
from ansible_collections.community.honeycomb.plugins.module_utils._api.resources import ApiKey, CreatedKey, Environment
from ansible_collections.community.honeycomb.plugins.module_utils._errors import AnswerLost, HoneycombError, InputError
from ansible_collections.community.honeycomb.plugins.module_utils._keys.generations import Marks
from ansible_collections.community.honeycomb.plugins.module_utils._module import rotation as _rotate
from ansible_collections.community.honeycomb.plugins.module_utils._rotation.decisions import Policy, assess
from ansible_collections.community.honeycomb.plugins.module_utils._time import format_timestamp, parse_timestamp

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
CONSUMERS = ("web1", "web2", "web3")
GRACE = timedelta(hours=48)
MARKS = Marks()


class Crash(BaseException):
    """The process dies."""


class Service:
    """Honeycomb in memory, with the methods of the client. It may die at a request, before or after carrying it out."""

    knows_service_clock = True
    team = "team"

    def __init__(self) -> None:
        self.keys: dict[str, ApiKey] = {}
        self.time = START
        self.transport = self
        self.budget = self
        self.numbers = itertools.count(1)
        self.consumers: dict[str, str] = {}
        self.disabled_since: dict[str, datetime] = {}
        self.ever_marked: set[str] = set()
        self.crash_at: tuple[int, bool] | None = None
        self.lose_creates = 0
        self.requests = 0
        first = self._add("checkout", disabled=False)
        self.consumers = dict.fromkeys(CONSUMERS, str(first.id))

    # -- the transport's part

    def now(self) -> datetime:
        return self.time

    def clock(self) -> float:
        return self.time.timestamp()

    def wait(self, seconds: float, _reason: str, expected: bool = False) -> None:
        self.time += timedelta(seconds=seconds)

    # -- the client's part

    def list_keys(self, _key_type: str | None = None) -> list[ApiKey]:
        self._request(lambda: None)
        return list(self.keys.values())

    def list_environments(self) -> list[Environment]:
        return [Environment("env", "Production", "production")]

    def get_key(self, key_id: str) -> ApiKey | None:
        self._request(lambda: None)
        return self.keys.get(key_id)

    def create_key(self, key: ApiKey) -> CreatedKey:
        lost = self.lose_creates > 0
        self.lose_creates -= lost
        created = self._request(lambda: self._add(key.name, key.disabled))
        if lost:
            raise AnswerLost("lost")
        return CreatedKey(created, f"secret-of-{created.id}")

    def update_key(self, key_id: str, changes: dict) -> ApiKey:
        return self._request(lambda: self._change(key_id, changes))

    def delete_key(self, key_id: str) -> bool:
        return self._request(lambda: self._delete(key_id))

    # -- below

    def _request(self, carry_out):
        self.requests += 1
        dies = self.crash_at and self.crash_at[0] == self.requests
        if dies and not self.crash_at[1]:
            raise Crash
        answer = carry_out()
        self.check()
        if dies:
            raise Crash
        return answer

    def _add(self, name: str, disabled: bool) -> ApiKey:
        key_id = f"hcxik_{next(self.numbers):03}"
        moment = format_timestamp(self.time)
        key = ApiKey(key_id, name, "ingest", "env", disabled, {"create_datasets": True}, moment, moment)
        self.keys[key_id] = key
        if disabled:
            self.disabled_since[key_id] = self.time
        return key

    def _change(self, key_id: str, changes: dict) -> ApiKey:
        before = self.keys[key_id]
        key = replace(before, **changes, updated_at=format_timestamp(self.time))
        if key.disabled and not before.disabled:
            self.disabled_since[key_id] = self.time
        self.keys[key_id] = key
        return key

    def _delete(self, key_id: str) -> bool:
        key = self.keys.pop(key_id)
        assert key.name.startswith(("checkout [retired ", "checkout [stale ")), f"P4: {key} was deleted without a mark"
        assert key.disabled, f"P4: {key} was deleted while enabled"
        age = self.time - self.disabled_since[key_id]
        assert age >= GRACE - timedelta(seconds=1), f"P4: {key} was deleted after {age}"
        return True

    def check(self) -> None:
        """P1: every consumer holds a value that is accepted."""
        for consumer, key_id in self.consumers.items():
            key = self.keys.get(key_id)
            assert key and not key.disabled, f"P1: {consumer} uses {key_id}, which is {key}"

    def value_check(self, _transport, value: str, fresh: bool = False) -> ValueCheck | None:
        key_id = value.split("secret-of-")[-1]
        key = self.keys.get(key_id)
        if key is None or key.disabled:
            return None
        return ValueCheck(key_id, "ingest", {"slug": "team"}, {"slug": "production"}, {})

    def enabled(self) -> list[str]:
        return [str(key.id) for key in self.keys.values() if not key.disabled]


class Module:
    """What the phases need of a module."""

    check_mode = False
    ansible = type("Ansible", (), {"warn": staticmethod(lambda _text: None)})

    def __init__(self, service: Service, **params) -> None:
        self.service = service
        self.params = {"marks": None, "id": None, "old_keys": None, "verify_time": "5s", **params}

    def client(self, connections: int = 1) -> Service:
        return self.service

    def hand_back(self, _created) -> None:
        pass


def rotation(service: Service, **params) -> _rotate.Rotation:
    entry = dict.fromkeys(("max_age", "overlap", "grace", "lock_time", "force", *_rotate.CARRIED_OPTIONS))
    entry.update(name="checkout", key_type="ingest", environment="production")
    defaults = {"max_age": "90d", "overlap": "0s", "grace": "48h", "lock_time": "0s", "force": False}
    module = Module(service, **{**defaults, "rotations": [entry], **params})
    return _rotate.Rotation(module)  # type: ignore[arg-type]


def run(service: Service, reached: int = len(CONSUMERS), **params) -> str:
    """What the role does, to so many of the consumers. Returns how it ended."""
    staged = rotation(service, **params).stage()
    if staged["staged"]:
        (entry,) = staged["staged"]
        rotation(service, staged=[entry]).activate()
        for consumer in CONSUMERS[:reached]:
            service.consumers[consumer] = entry["new_id"]
            service.check()
        if reached < len(CONSUMERS):
            return "not deployed"
        rotation(service, staged=[entry]).promote()
    return "blocked" if staged["blocked"] else "done"


@pytest.fixture(autouse=True)
def _check_values(monkeypatch):
    """The phases ask the service in memory whether a value is accepted; it is found through the transport."""
    monkeypatch.setattr(
        _rotate, "check_value", lambda transport, value, fresh=False: transport.value_check(transport, value)
    )


runs = st.fixed_dictionaries(
    {
        "kind": st.just("run"),
        "crash": st.none() | st.tuples(st.integers(1, 16), st.booleans()),
        "reached": st.integers(0, 3),
        "lost": st.integers(0, 2),
        "force": st.booleans(),
        "overlap": st.sampled_from(["0s", "24h"]),
    }
)
clocks = st.fixed_dictionaries({"kind": st.just("clock"), "hours": st.sampled_from([0, 1, 23, 25, 47, 49, 24 * 91])})
# A person changes a generation that no consumer uses; or renames any.
hands = st.fixed_dictionaries(
    {
        "kind": st.just("hand"),
        "what": st.sampled_from(["delete", "disable", "enable", "rename", "duplicate", "restore", "retire"]),
        "which": st.integers(0, 9),
    }
)


def by_hand(service: Service, what: str, which: int) -> None:
    keys = sorted(service.keys)
    key_id = keys[which % len(keys)]
    used = key_id in service.consumers.values()
    if what in ("restore", "retire"):
        try:
            getattr(rotation(service), what)()
        except InputError:
            pass
    elif what == "rename":
        service._change(key_id, {"name": "renamed by hand"})
    elif what == "enable":
        service._change(key_id, {"disabled": False})
    elif what == "disable" and not used:
        service._change(key_id, {"disabled": True})
    elif what == "delete" and not used:
        service.keys.pop(key_id)
    elif what == "duplicate":
        service._add(service.keys[key_id].name, disabled=True)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(runs | clocks | hands, max_size=14))
def test_no_history_cuts_a_consumer_off_or_deletes_the_wrong_key(history):
    service = Service()
    for event in history:
        if event["kind"] == "clock":
            service.time += timedelta(hours=event["hours"])
        elif event["kind"] == "hand":
            by_hand(service, event["what"], event["which"])
        else:
            service.requests, service.crash_at, service.lose_creates = 0, event["crash"], event["lost"]
            try:
                run(service, event["reached"], force=event["force"], overlap=event["overlap"])
            except (Crash, HoneycombError):
                pass
            service.crash_at, service.lose_creates = None, 0
        service.check()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(runs | clocks, max_size=10))
def test_whatever_died_the_next_runs_converge(history):
    """Without people's changes: undisturbed runs end with one enabled key, which every consumer uses."""
    service = Service()
    for event in history:
        if event["kind"] == "clock":
            service.time += timedelta(hours=event["hours"])
            continue
        service.requests, service.crash_at, service.lose_creates = 0, event["crash"], event["lost"]
        try:
            run(service, event["reached"], force=event["force"], overlap=event["overlap"])
        except (Crash, HoneycombError):
            pass
        service.crash_at, service.lose_creates = None, 0
    assert run(service) == "done"
    (enabled,) = service.enabled()
    assert service.keys[enabled].name == "checkout"
    assert set(service.consumers.values()) == {enabled}
    service.time += GRACE + timedelta(minutes=1)
    assert run(service, max_age="9000d") == "done"
    assert list(service.keys) == [enabled], "in the end nothing is left but the key in use"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_run_killed_at_any_request_is_finished_by_the_next(after):
    undisturbed = Service()
    run(undisturbed, force=True)
    points = undisturbed.requests
    for point in range(1, points + 1):
        service = Service()
        service.crash_at = (point, after)
        try:
            run(service, force=True)
        except Crash:
            pass
        service.crash_at = None
        run(service, force=True)
        (enabled,) = service.enabled()
        assert service.keys[enabled].name == "checkout"
        assert set(service.consumers.values()) == {enabled}, f"killed at request {point}"
    assert points > 6


def test_a_young_pending_key_stops_the_run():
    service = Service()
    rotation(service, force=True).stage()

    result = rotation(service, force=True, lock_time="1h").stage()

    assert not result["staged"]
    assert "another run seems to be rotating 'checkout'" in result["blocked"][0]


def test_two_keys_of_the_name_stop_the_run_and_are_named():
    service = Service()
    twin = service._add("checkout", disabled=False)

    result = rotation(service, force=True).stage()

    assert not result["changed"]
    assert str(twin.id) in result["blocked"][0] and "hcxik_001" in result["blocked"][0]


def test_a_disabled_current_key_stops_the_run():
    service = Service()
    service.consumers = {}
    service._change("hcxik_001", {"disabled": True})

    assert "is disabled" in rotation(service, force=True).stage()["blocked"][0]


def test_a_value_of_another_environment_is_not_rolled_out(monkeypatch):
    service = Service()
    staged = rotation(service, force=True).stage()["staged"]
    wrong = ValueCheck(staged[0]["new_id"], "ingest", {"slug": "team"}, {"slug": "staging"}, {})
    monkeypatch.setattr(_rotate, "check_value", lambda *_args, **_more: wrong)

    with pytest.raises(HoneycombError, match="for the environment staging instead of production"):
        rotation(service, staged=staged).activate()

    assert service.enabled() == ["hcxik_001"]


def test_a_key_enabled_by_hand_is_left_alone():
    service = Service()
    run(service, force=True)
    service._change("hcxik_001", {"disabled": False})
    service.time += timedelta(days=30)

    run(service)

    assert "hcxik_001" in service.enabled()
    listing = list(service.keys.values())
    assert "was enabled by hand" in assess("checkout", listing, service.time, Policy(), MARKS).findings[0]


def test_restore_brings_back_what_was_in_use_not_what_a_run_left_behind():
    service = Service()
    run(service, reached=1, force=True)  # its key is on one consumer
    run(service, reached=0, force=True)
    run(service, force=True)
    assert len(service.enabled()) == 1

    rotation(service).restore()

    assert "hcxik_001" in service.enabled()
    assert len(service.enabled()) == 2


@pytest.mark.parametrize(
    ("name", "disabled", "kind"),
    [
        ("checkout", False, "current"),
        ("checkout [pending]", True, "pending"),
        ("checkout [retired 20260101T000000Z]", False, "retired"),
        ("checkout [retired 20260101T000000Z]", True, "off"),
        ("checkout [retired 20260101T000000Z off]", True, "off"),
        ("checkout [retired 20260101T000000Z off]", False, "restored"),
        ("checkout [restored 20260101T000000Z]", False, "restored"),
        ("checkout [retired 20261301T000000Z]", False, None),
        ("checkout [retired]", False, None),
        ("checkout [stale 20260101T000000Z]", False, "retired"),
        ("checkout [stale 20260101T000000Z off]", True, "off"),
        ("checkout 2", False, None),
        ("checkout2 [pending]", True, None),
        ("Checkout", False, None),
    ],
)
def test_generations_are_told_by_their_names(name, disabled, kind):
    found = MARKS.read("checkout", ApiKey("id", name, "ingest", "env", disabled))

    assert (found.kind if found else None) == kind


def test_the_longest_name_has_room_for_every_mark():
    base = "n" * MARKS.longest_base()
    MARKS.check_base(base)
    assert len(MARKS.off_name(base, ApiKey("id", base, "ingest", "env", False), START)) == 100
    with pytest.raises(InputError, match="70 characters"):
        MARKS.check_base(base + "n")


def test_marks_that_could_be_mistaken_are_refused():
    with pytest.raises(InputError, match="have to differ"):
        Marks(pending="x", retired="x").check()
    with pytest.raises(InputError, match="marks.pending"):
        Marks(pending="[").check()
    with pytest.raises(InputError, match="ends with a mark"):
        MARKS.check_base("checkout [pending]")


def test_times_are_told_by_the_later_of_mark_and_last_change():
    """So that a key that was changed by hand is never deleted too early."""
    key = ApiKey(
        "id", "checkout [retired 20260101T000000Z off]", "ingest", "env", True, updated_at="2026-02-01T00:00:00Z"
    )

    found = MARKS.read("checkout", key)

    assert found and found.since == parse_timestamp("2026-02-01T00:00:00Z")
