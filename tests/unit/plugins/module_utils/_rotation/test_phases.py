# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The phases of a rotation under everything that may happen: crashes, clocks, lost answers, people.

They run for real, on a service in memory that can die at any request. What is checked after every single request
are the promises: no consumer is cut off, only what is marked, disabled and old enough is deleted.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.community.honeycomb.plugins.module_utils._api.client import ValueCheck
from ansible_collections.community.honeycomb.plugins.module_utils._api.resources import ApiKey, CreatedKey, Environment
from ansible_collections.community.honeycomb.plugins.module_utils._errors import AnswerLost, HoneycombError, InputError
from ansible_collections.community.honeycomb.plugins.module_utils._keys import acceptance, handover
from ansible_collections.community.honeycomb.plugins.module_utils._keys.generations import Marks
from ansible_collections.community.honeycomb.plugins.module_utils._rotation import by_hand, report
from ansible_collections.community.honeycomb.plugins.module_utils._rotation.decisions import Policy
from ansible_collections.community.honeycomb.plugins.module_utils._rotation.jobs import Job, Staged
from ansible_collections.community.honeycomb.plugins.module_utils._rotation.promote import promote
from ansible_collections.community.honeycomb.plugins.module_utils._rotation.release import release
from ansible_collections.community.honeycomb.plugins.module_utils._rotation.stage import stage
from ansible_collections.community.honeycomb.plugins.module_utils._rotation.survey import Changes, status
from ansible_collections.community.honeycomb.plugins.module_utils._time import format_timestamp, parse_duration

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
    scopes: tuple[str, ...] = ("api-keys:read", "api-keys:write")
    grace = GRACE

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
        # Promises that were broken at any moment, which later requests may have made good.
        self.broken: list[str] = []
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

    def management_key(self) -> Service:
        return self

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

    def _request(self, carry_out: Any) -> Any:
        self.requests += 1
        dies = self.crash_at and self.crash_at[0] == self.requests
        if dies and not self.crash_at[1]:
            raise Crash
        answer = carry_out()
        self._look()
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
        marked = key.name.startswith(("checkout [retired ", "checkout [stale "))
        self._promise(marked, f"P4: {key} was deleted without a mark")
        self._promise(key.disabled, f"P4: {key} was deleted while enabled")
        age = self.time - self.disabled_since.get(key_id, self.time)
        self._promise(age >= self.grace - timedelta(seconds=1), f"P4: {key} was deleted after {age}")
        return True

    def _look(self) -> None:
        """P1: every consumer holds a value that is accepted."""
        for consumer, key_id in self.consumers.items():
            key = self.keys.get(key_id)
            self._promise(key and not key.disabled, f"P1: {consumer} uses {key_id}, which is {key}")

    def _promise(self, kept: object, otherwise: str) -> None:
        if not kept:
            self.broken.append(otherwise)

    def check(self) -> None:
        """Every promise was kept, at every moment until now."""
        self._look()
        assert self.broken == []

    def value_check(self, value: str) -> ValueCheck | None:
        key_id = value.split("secret-of-")[-1]
        key = self.keys.get(key_id)
        if key is None or key.disabled:
            return None
        return ValueCheck(key_id, "ingest", {"slug": "team"}, {"slug": "production"}, {})

    def enabled(self) -> list[str]:
        return [str(key.id) for key in self.keys.values() if not key.disabled]


def job(name: str = "checkout", **policy: Any) -> Job:
    """A key to rotate, at once, unless a duration says something else."""
    force, by_hand = policy.pop("force", False), policy.pop("by_hand", False)
    durations = {"max_age": "90d", "overlap": "0s", "grace": "48h", "lock_time": "0s", **policy}
    parsed = {option: parse_duration(text, option) for option, text in durations.items()}
    wanted = Policy(force=force, by_hand=by_hand, **parsed)
    return Job(0, name, "ingest", Environment("env", "Production", "production"), wanted)


def task(service: Service, preview: bool = False, warn: Any = lambda _text: None) -> handover.Run:
    return handover.Run(service, MARKS, timedelta(seconds=5), preview, warn)  # type: ignore[arg-type]


def stage_one(service: Service, **policy: Any) -> Changes:
    return stage(task(service), [job(**policy)])


def blocked(changes: Changes) -> str:
    assert not changes.changed
    return str(changes.cases[0].state.blocked)


def run(service: Service, reached: int = len(CONSUMERS), **policy: Any) -> str:
    """What the role does, to so many of the consumers. Returns how it ended."""
    done = stage_one(service, **policy)
    if done.staged:
        # As it comes back through the role
        staged = [Staged.from_options(entry.as_result()) for entry in done.staged]
        for consumer in CONSUMERS[:reached]:
            service.consumers[consumer] = staged[0].new_id
            service.check()
        if reached < len(CONSUMERS):
            release(task(service), staged, [staged[0].new_id] if reached else [])
            return "not deployed"
        promote(task(service), staged, [])
    return "blocked" if done.cases[0].state.blocked else "done"


@pytest.fixture(autouse=True)
def _check_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """The phases ask the service in memory whether a value is accepted; it is found through the transport."""
    monkeypatch.setattr(acceptance, "check_value", lambda transport, value, fresh: transport.value_check(value))


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


def touched(service: Service, what: str, which: int) -> None:
    keys = sorted(service.keys)
    key_id = keys[which % len(keys)]
    used = key_id in service.consumers.values()
    if what in ("restore", "retire"):
        if what == "restore":
            by_hand.restore(task(service), [job()], None)
        else:
            by_hand.retire(task(service), [job()])
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
def test_no_history_cuts_a_consumer_off_or_deletes_the_wrong_key(history: Any) -> None:
    service = Service()
    for event in history:
        if event["kind"] == "clock":
            service.time += timedelta(hours=event["hours"])
        elif event["kind"] == "hand":
            touched(service, event["what"], event["which"])
        else:
            service.requests, service.crash_at, service.lose_creates = 0, event["crash"], event["lost"]
            with contextlib.suppress(Crash, HoneycombError):
                run(service, event["reached"], force=event["force"], overlap=event["overlap"])
            service.crash_at, service.lose_creates = None, 0
        service.check()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(runs | clocks, max_size=10))
def test_whatever_died_the_next_runs_converge(history: Any) -> None:
    """Without people's changes: undisturbed runs end with one enabled key, which every consumer uses."""
    service = Service()
    for event in history:
        if event["kind"] == "clock":
            service.time += timedelta(hours=event["hours"])
            continue
        service.requests, service.crash_at, service.lose_creates = 0, event["crash"], event["lost"]
        with contextlib.suppress(Crash, HoneycombError):
            run(service, event["reached"], force=event["force"], overlap=event["overlap"])
        service.crash_at, service.lose_creates = None, 0
    assert run(service, by_hand=True) == "done"
    (enabled,) = service.enabled()
    assert service.keys[enabled].name == "checkout"
    assert set(service.consumers.values()) == {enabled}
    service.time += GRACE + timedelta(minutes=1)
    assert run(service, max_age="9000d") == "done"
    assert list(service.keys) == [enabled], "in the end nothing is left but the key in use"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_run_killed_at_any_request_is_finished_by_the_next(after: Any) -> None:
    undisturbed = Service()
    run(undisturbed, force=True)
    points = undisturbed.requests
    for point in range(1, points + 1):
        service = Service()
        service.crash_at = (point, after)
        with contextlib.suppress(Crash):
            run(service, force=True)
        service.crash_at = None
        run(service, force=True)
        (enabled,) = service.enabled()
        assert service.keys[enabled].name == "checkout"
        assert set(service.consumers.values()) == {enabled}, f"killed at request {point}"
    assert points > 6


def test_an_overlap_keeps_the_replaced_key_enabled_until_it_is_over() -> None:
    service = Service()
    run(service, force=True, overlap="24h")
    assert sorted(service.enabled()) == ["hcxik_001", "hcxik_002"]

    service.time += timedelta(hours=23)
    run(service, overlap="24h")
    assert "hcxik_001" in service.enabled()

    service.time += timedelta(hours=1)
    run(service, overlap="24h")
    assert service.enabled() == ["hcxik_002"]


def test_finishing_a_promotion_is_the_rotation_that_was_due() -> None:
    """Even where it is forced, the run that finds a promotion half done does not create yet another key."""
    service = Service()
    staged = stage_one(service, force=True).staged
    service.consumers = dict.fromkeys(CONSUMERS, staged[0].new_id)
    # It reads two keys, renames the old one, and dies before it renames the new one.
    service.requests, service.crash_at = 0, (4, False)
    with pytest.raises(Crash):
        promote(task(service), staged, [])
    service.crash_at = None

    done = stage_one(service, force=True)

    assert not done.staged
    assert service.keys[staged[0].new_id].name == "checkout"
    assert len(service.keys) == 2
    service.check()


def test_a_young_pending_key_stops_the_run() -> None:
    service = Service()
    stage_one(service, force=True)

    assert "another run seems to be rotating 'checkout'" in blocked(stage_one(service, force=True, lock_time="1h"))


def test_two_keys_of_the_name_stop_the_run_and_are_named() -> None:
    service = Service()
    twin = service._add("checkout", disabled=False)

    told = blocked(stage_one(service, force=True))

    assert str(twin.id) in told
    assert "hcxik_001" in told


def test_a_disabled_current_key_stops_the_run() -> None:
    service = Service()
    service.consumers = {}
    service._change("hcxik_001", {"disabled": True})

    assert "is disabled" in blocked(stage_one(service, force=True))


def test_a_value_of_another_environment_is_not_rolled_out(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service()
    wrong = ValueCheck("hcxik_002", "ingest", {"slug": "team"}, {"slug": "staging"}, {})
    monkeypatch.setattr(acceptance, "check_value", lambda *_args, **_more: wrong)

    done = stage_one(service, force=True)

    assert done.staged == []
    assert "for the environment staging instead of production" in done.failures[0].message
    assert service.enabled() == ["hcxik_001"]


def test_a_pending_key_that_was_renamed_is_disabled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service()
    monkeypatch.setattr(handover, "stage", lambda *_args: service._change("hcxik_002", {"name": "mine now"}))

    (failure,) = stage_one(service, force=True).failures

    assert "was taken over by another run or a person, and is now called 'mine now'" in failure.message
    assert service.enabled() == ["hcxik_001"]


def test_only_what_may_be_created_is_created() -> None:
    service = Service()

    done = stage(task(service), [job(force=True)], [])

    assert (list(done.staged), done.due, done.changed) == ([], [0], False)
    assert list(service.keys) == ["hcxik_001"]


@pytest.mark.parametrize("received", [True, False], ids=["received", "nobody has it"])
def test_a_run_that_gives_up_lets_the_next_one_begin_at_once(received: bool) -> None:
    service = Service()
    (staged,) = stage_one(service, force=True, lock_time="1h").staged
    if received:
        service.consumers["web1"] = staged.new_id

    (told,) = release(task(service), [staged], [staged.new_id] if received else [])

    service.check()
    left = service.keys[staged.new_id]
    assert ("[stale " in left.name, left.disabled) == (True, not received)
    assert ("stays enabled, since a consumer may have its value" in told) == received
    service.time += timedelta(hours=1)
    for hours in (1, 25):
        assert run(service, reached=0, force=True, lock_time="1h") == "not deployed"
        service.time += timedelta(hours=hours)
        service.check()
    assert run(service, lock_time="1h") == "done"
    assert service.enabled() == [str(service.consumers["web1"])]


def test_what_another_run_has_taken_over_is_not_given_up() -> None:
    service = Service()
    (staged,) = stage_one(service, force=True).staged
    service._change(staged.new_id, {"name": "mine now"})

    (told,) = release(task(service), [staged], [])

    assert "is now called 'mine now': another run or a person did that." in told
    assert staged.new_id in service.enabled()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": "else"}, "its new key hcxik_002 was changed by somebody during the rotation"),
        ({"disabled": True}, "its new key hcxik_002 was changed by somebody during the rotation"),
        (None, "its new key hcxik_002 was deleted by somebody during the rotation"),
    ],
)
def test_what_somebody_changed_is_not_promoted(change: Any, told: Any) -> None:
    service = Service()
    staged = stage_one(service, force=True).staged
    if change:
        service._change("hcxik_002", change)
    else:
        service.keys.pop("hcxik_002")

    promoted, (failure,) = promote(task(service), staged, [])

    assert not promoted
    assert failure.message.startswith(f"Ingest key 'checkout' of production: {told}")

    assert service.keys["hcxik_001"].name == "checkout"
    service.check()
    assert run(service, lock_time="1h", force=True) == "done", "it can be run again at once"


def test_a_key_that_is_enabled_at_the_last_moment_is_not_deleted() -> None:
    service = Service()
    run(service, force=True)
    service.time += GRACE + timedelta(minutes=1)
    listed = service.list_keys()
    service._change("hcxik_001", {"disabled": False})
    service.list_keys = lambda _key_type=None: listed  # type: ignore[method-assign]

    stage_one(service)

    assert "hcxik_001" in service.enabled()
    service.check()


def test_a_key_enabled_by_hand_is_left_alone() -> None:
    service = Service()
    run(service, force=True)
    service._change("hcxik_001", {"disabled": False})
    service.time += timedelta(days=30)

    run(service)

    assert "hcxik_001" in service.enabled()
    (case,) = status(task(service), [job()])
    assert "was enabled by hand" in case.state.findings[0]


def test_restore_brings_back_what_was_in_use_not_what_a_run_left_behind() -> None:
    service = Service()
    run(service, reached=1, force=True)  # its key is on one consumer
    run(service, reached=0, force=True)
    run(service, force=True)
    assert len(service.enabled()) == 1

    by_hand.restore(task(service), [job()], None)

    assert "hcxik_001" in service.enabled()
    assert len(service.enabled()) == 2


def test_what_a_run_left_behind_is_not_restored_by_its_id_either() -> None:
    service = Service()
    run(service, reached=1, force=True)
    run(service, force=True)
    (left,) = [key.id for key in service.keys.values() if "[stale " in key.name]

    (failure,) = by_hand.restore(task(service), [job()], left).failures

    assert "it is stale" in failure.message
    assert len(service.enabled()) == 1


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(runs | clocks | hands, max_size=8),
    st.booleans(),
    st.sampled_from(["0s", "24h"]),
    st.sampled_from(["0s", "48h"]),
)
def test_the_preview_predicts_what_the_run_does(history: Any, force: bool, overlap: str, grace: str) -> None:
    """But for the new key's id, which the service gives, and the seconds that a run takes."""
    service = Service()
    for event in history:
        if event["kind"] == "clock":
            service.time += timedelta(hours=event["hours"])
        elif event["kind"] == "hand":
            touched(service, event["what"], event["which"])
        else:
            service.requests, service.crash_at, service.lose_creates = 0, event["crash"], 0
            with contextlib.suppress(Crash, HoneycombError):
                run(service, event["reached"], force=event["force"], overlap=event["overlap"])
            service.crash_at = None
    there = dict(service.keys)
    service.grace = parse_duration(grace, "grace")

    def shown(keys: Iterable[ApiKey]) -> list[tuple[str, bool]]:
        return sorted((re.sub(r"\d{8}T\d{6}Z", "TIME", key.name), key.disabled) for key in keys)

    policy: Any = {"force": force, "overlap": overlap, "grace": grace}
    predicted = stage(task(service, preview=True), [job(**policy)])
    assert service.keys == there, "a preview writes nothing"
    others = [key for key_id, key in there.items() if key_id not in predicted.before]

    with contextlib.suppress(HoneycombError):
        run(service, **policy)

    assert shown([*predicted.after.values(), *others]) == shown(service.keys.values())
    assert predicted.changed == (service.keys != there)


@pytest.mark.parametrize("phase", ["restore", "retire"])
def test_what_a_person_asks_for_is_previewed_too(phase: str) -> None:
    service = Service()
    run(service, force=True)
    if phase == "retire":
        by_hand.restore(task(service), [job()], None)
    there = dict(service.keys)

    def do(preview: bool) -> Changes:
        it = task(service, preview)
        return by_hand.restore(it, [job()], None) if phase == "restore" else by_hand.retire(it, [job()])

    predicted = do(True)
    assert service.keys == there
    real = do(False)
    assert predicted.changed
    assert (predicted.before, [key.name for key in predicted.after.values()]) == (
        real.before,
        [key.name for key in real.after.values()],
    )
    assert report.overview(predicted.cases, START)["report"][1:2] == report.overview(real.cases, START)["report"][1:2]


def test_a_management_key_that_may_only_read_is_noticed_by_the_preview() -> None:
    service = Service()
    service.scopes = ("api-keys:read",)

    with pytest.raises(InputError, match="has no scope api-keys:write, so a real run could not do this"):
        stage(task(service, preview=True), [job(force=True)])

    stage(task(service, preview=True), [job()])


def test_one_of_many_is_restored_by_its_id_and_the_others_are_left_alone() -> None:
    service = Service()
    run(service, force=True)
    jobs = [job(), replace(job("billing"), position=1)]

    done = by_hand.restore(task(service), jobs, "hcxik_001")
    assert ([case.job.name for case in done.cases], done.failures) == (["checkout"], [])
    assert "hcxik_001" in service.enabled()

    with pytest.raises(InputError, match="nothing is not a generation of any of these keys: checkout, billing"):
        by_hand.restore(task(service), jobs, "nothing")


def test_a_key_with_nothing_to_restore_does_not_stop_the_others() -> None:
    service = Service()
    run(service, force=True)
    service._add("billing", disabled=False)

    done = by_hand.restore(task(service), [replace(job("billing"), position=1), job()], None)

    assert [failure.name for failure in done.failures] == ["billing"]
    assert "hcxik_001" in service.enabled()


def test_a_step_that_fails_does_not_stop_other_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service()
    run(service, force=True, overlap="24h")
    service.time += timedelta(hours=25)
    update = service.update_key

    def refuse(key_id: str, changes: dict) -> ApiKey:
        if key_id == "hcxik_001":
            raise HoneycombError("No.")
        return update(key_id, changes)

    monkeypatch.setattr(service, "update_key", refuse)
    service.consumers = {}
    other = service._add("billing", disabled=False)

    done = stage(task(service), [job(force=True, overlap="24h"), replace(job("billing", force=True), position=1)])

    assert [(failure.name, failure.message) for failure in done.failures] == [
        ("checkout", "Ingest key 'checkout' of production: No.")
    ]
    assert [entry.name for entry in done.staged] == ["billing"]
    assert str(other.id) in service.enabled()


def test_keys_are_named_by_names_or_ids() -> None:
    service = Service()
    run(service, force=True)
    jobs = [job(), replace(job("billing"), position=1)]
    it = task(service)

    assert by_hand.named(it, jobs, [], ["billing"]) == [1]
    assert by_hand.named(it, jobs, [], ["hcxik_001"]) == [0]
    with pytest.raises(InputError, match="'chekout' is neither the name .* Did you mean checkout"):
        by_hand.named(it, jobs, [], ["chekout"])
    with pytest.raises(InputError, match="it is empty"):
        by_hand.named(it, jobs, [], [])


def test_a_key_that_can_not_be_put_away_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run was faster, and then the service fails."""
    service = Service()
    warnings: list[str] = []
    monkeypatch.setattr(handover, "lost_race", lambda *_args: "another run was faster")

    def refuse(_key_id: str, _changes: dict) -> ApiKey:
        raise HoneycombError("No.")

    monkeypatch.setattr(service, "update_key", refuse)

    (failure,) = stage(task(service, warn=warnings.append), [job(force=True)]).failures

    assert failure.message.startswith("Ingest key 'checkout' of production: another run was faster")

    assert len(warnings) == 1
    assert "hcxik_002" in warnings[0]
    assert warnings[0].endswith("No.")
