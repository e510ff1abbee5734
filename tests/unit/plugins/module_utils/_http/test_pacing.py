# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long to wait: what the headers say, the time that may be spent, whole runs under a policy scaled down in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest

from ansible_collections.community.honeycomb.plugins.module_utils._api.client import Client
from ansible_collections.community.honeycomb.plugins.module_utils._errors import WaitExceeded
from ansible_collections.community.honeycomb.plugins.module_utils._http.pacing import (
    Pacer,
    RateLimit,
    WaitBudget,
    Window,
    expected_wait,
    parse_rate_limit,
    parse_retry_after,
)
from ansible_collections.community.honeycomb.plugins.module_utils._http.transport import Transport
from simulator import Simulator
from simulator.limits import RETRY_AFTER_FORMS

NOW = datetime(2026, 2, 11, 8, 15, tzinfo=timezone.utc)


class FakeTime:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def budget(self, max_wait: float) -> WaitBudget:
        return WaitBudget(max_wait, self.clock, self.sleep)


@pytest.fixture
def fake() -> Any:
    return FakeTime()


# Headers


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            {"RateLimit": "limit=100, remaining=80, reset=54", "RateLimit-Policy": "100;w=60"},
            RateLimit(100, 80, 54, 60),
        ),
        ({"RateLimit": "limit=100,remaining=80,reset=54", "RateLimitPolicy": "100; w=60"}, RateLimit(100, 80, 54, 60)),
        ({"RateLimit": "limit=20, remaining=0, reset=0.25", "RateLimitPolicy": "20;w=1"}, RateLimit(20, 0, 0.25, 1)),
        ({"RateLimit": "remaining=3, reset=10"}, RateLimit(3, 3, 10, 10)),
        ({"RateLimit": "limit=100, remaining=80"}, None),
        ({"RateLimit": "nonsense"}, None),
        ({}, None),
    ],
)
def test_rate_limit_headers(headers: Any, expected: Any) -> None:
    assert parse_rate_limit(headers) == expected


@pytest.mark.parametrize(
    ("told", "policy", "expected"),
    [
        ('"default";r=50;t=30', '"default";q=100;w=60', RateLimit(100, 50, 30, 60)),
        ('"default"; r=50; t=30', '"default"; w=60; q=100; qu="requests"', RateLimit(100, 50, 30, 60)),
        ("default;r=50;t=30", "default;q=100;w=60", RateLimit(100, 50, 30, 60)),
        ('"default";r=50;t=30;pk=:cHsdsRa894==:', '"default";q=100;w=60;pk=:cHsdsRa894==:', RateLimit(100, 50, 30, 60)),
        # The policy belongs to what has its name.
        ('"b";r=5;t=1', '"a";q=100;w=60, "b";q=10;w=2', RateLimit(10, 5, 1, 2)),
        ('"a, b; c";r=5;t=1', '"a, b; c";q=10;w=2,"x";q=1;w=1', RateLimit(10, 5, 1, 2)),
        ('"default";r=50;t=30', "", RateLimit(50, 50, 30, 30)),
        ('"default";r=50', '"default";q=100;w=60', RateLimit(100, 50, 60, 60)),
        ('"default";r=50', "", None),
        ('"default";t=50', '"default";q=100;w=60', None),
        # Several: the one with the fewest left, and of those the one that lasts longest.
        ('"hour";r=70;t=3000, "minute";r=4;t=9', '"hour";q=900;w=3600, "minute";q=60;w=60', RateLimit(60, 4, 9, 60)),
        ('"minute";r=4;t=9,"hour";r=3;t=3000', '"minute";q=60;w=60,"hour";q=900;w=3600', RateLimit(900, 3, 3000, 3600)),
        ('"minute";r=0;t=9, "hour";r=0;t=3000', "", RateLimit(0, 0, 3000, 3000)),
        # What can't be meant.
        ('"default";r=x;t=30', "", None),
        ('"default";r=-1;t=30', "", None),
        ('"default";r=1e3;t=30', "", None),
        (f'"default";r={"9" * 400};t=30', "", None),
        (f"remaining=5, reset={'9' * 400}", f"5;w={'9' * 400}", None),
    ],
)
def test_the_ietf_form(told: Any, policy: Any, expected: Any) -> None:
    headers = {"RateLimit": told, **({"RateLimit-Policy": policy} if policy else {})}
    assert parse_rate_limit(headers) == expected


@pytest.mark.parametrize(
    ("limit", "remaining", "reset", "expected"),
    [
        ("100", "80", "54", RateLimit(100, 80, 54, 54)),
        (None, "80", "54.5", RateLimit(80, 80, 54.5, 54.5)),
        ("100, 100;w=60", "80", "54", RateLimit(100, 80, 54, 54)),
        # Times since 1970: by the clock of the answer, in seconds or milliseconds.
        ("100", "80", str(int(NOW.timestamp()) + 54), RateLimit(100, 80, 54, 54)),
        ("100", "80", str(int(NOW.timestamp() + 54) * 1000), RateLimit(100, 80, 54, 54)),
        ("100", "80", str(int(NOW.timestamp()) - 54), RateLimit(100, 80, 0, 0)),
        ("100", "80", None, None),
        ("100", None, "54", None),
        ("100", "x", "54", None),
        ("100", "80", "soon", None),
        ("100", "80", "9" * 400, None),
    ],
)
@pytest.mark.parametrize("prefix", ["X-RateLimit", "RateLimit"])
def test_three_headers(prefix: Any, limit: Any, remaining: Any, reset: Any, expected: Any) -> None:
    told = {"Limit": limit, "Remaining": remaining, "Reset": reset}
    headers = {f"{prefix}-{name}": value for name, value in told.items() if value is not None}
    assert parse_rate_limit({**headers, "Date": format_datetime(NOW, usegmt=True)}) == expected


def test_a_time_without_the_clock_of_the_service() -> None:
    headers = {"X-RateLimit-Remaining": "80", "X-RateLimit-Reset": str(int(time.time()) + 60)}
    assert parse_rate_limit(headers).reset == pytest.approx(60, abs=5)


@pytest.mark.parametrize(
    "headers",
    [
        {"RateLimit": '"default";r=0;t=50', "RateLimit-Policy": '"default";q=5;w=60'},
        {"X-RateLimit-Limit": "5", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "50"},
    ],
)
def test_every_form_holds_back(fake: Any, headers: Any) -> None:
    pacer = Pacer(fake.budget(300), jitter=lambda: 0)
    request(pacer, headers)
    request(pacer, headers)
    assert fake.slept == [pytest.approx(51, abs=0.1)]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("17", 17),
        ("0", 0),
        (" 0.5 ", 0.5),
        ("Wed, 11 Feb 2026 08:15:30 GMT", 30),
        ("2026-02-11T08:15:30Z", 30),
        ("2026-02-11T09:15:30.500+01:00", 30.5),
        ("Wed, 11 Feb 2026 08:14:00 GMT", 0),
        ("2001-01-01T00:00:00Z", 0),
        ("", None),
        (None, None),
        ("soon", None),
        ("-3", None),
    ],
)
def test_retry_after(text: Any, seconds: Any) -> None:
    assert parse_retry_after(text, NOW) == seconds


# Time that may be spent


def test_the_budget_ends(fake: Any) -> None:
    budget = fake.budget(10)
    budget.wait(6, "one thing")
    with pytest.raises(
        WaitExceeded, match=r"waiting 5 s for another thing.* already waited 6 s .*10 s in all \(max_wait\)"
    ):
        budget.wait(5, "another thing")
    budget.wait(4, "another thing")
    assert fake.slept == [6, 4]
    assert budget.reasons == {"one thing": 6, "another thing": 4}


def test_expected_waits_are_counted_and_not_told(fake: Any) -> None:
    budget = fake.budget(10)
    budget.wait(6, "the work itself", expected=True)
    budget.wait(0, "nothing")
    budget.wait(-1, "nothing")
    assert budget.reasons == {}
    with pytest.raises(WaitExceeded):
        budget.wait(5, "more")


def test_waits_at_the_same_time_count_once() -> None:
    budget = WaitBudget(0.6)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _number: budget.wait(0.3, "the same window"), range(8)))
    assert budget.reasons["the same window"] == pytest.approx(0.3, abs=0.2)


# One window


def headers(remaining: Any, reset: Any, limit: Any = 5, window: Any = 60) -> dict[str, Any]:
    told = f"limit={limit}, remaining={remaining}, reset={reset}"
    return {"RateLimit": told, "RateLimitPolicy": f"{limit};w={window}"}


def request(pacer: Any, answer: Any) -> None:
    pacer.after("op", answer, pacer.before("op"))


def test_waits_before_the_request_that_would_be_refused(fake: Any) -> None:
    pacer = Pacer(fake.budget(300), jitter=lambda: 0.5)
    for left in (4, 3, 2, 1, 0):
        request(pacer, headers(left, 50))
    assert fake.slept == []
    request(pacer, headers(4, 60))
    # Until the window ends, and a little longer: ``reset`` may be rounded, and others wait for the same moment.
    assert fake.slept == [pytest.approx(51.5)]


def test_another_operation_has_another_window(fake: Any) -> None:
    pacer = Pacer(fake.budget(300))
    request(pacer, headers(0, 50))
    pacer.before("another")
    assert fake.slept == []


def test_others_use_the_window_too(fake: Any) -> None:
    pacer = Pacer(fake.budget(300), jitter=lambda: 0)
    request(pacer, headers(4, 50))
    request(pacer, headers(0, 50))
    request(pacer, headers(4, 60))
    assert fake.slept == [51]


def test_requests_under_way_are_counted(fake: Any) -> None:
    """The answer to the first of a new window cannot know of those that were sent after it."""
    pacer = Pacer(fake.budget(30))
    request(pacer, headers(24, 60, limit=100))
    under_way = [pacer.before("op") for _number in range(8)]
    fake.now += 59
    pacer.after("op", headers(24, 60, limit=100), fake.now)
    for sent in under_way[1:]:
        pacer.after("op", None, sent)
    for _number in range(24 - 7):
        request(pacer, None)
    with pytest.raises(WaitExceeded):
        pacer.before("op")


def test_an_answer_that_was_overtaken_adds_nothing(fake: Any) -> None:
    """Requests whose answers came first are not counted in it."""
    pacer = Pacer(fake.budget(300), jitter=lambda: 0)
    request(pacer, headers(24, 60, limit=100))
    slow = pacer.before("op")
    for left in range(22, 5, -1):
        request(pacer, headers(left, 60, limit=100))
    fake.now += 40
    pacer.after("op", headers(23, 60, limit=100), slow)
    for left in range(5, -1, -1):
        request(pacer, headers(left, 20, limit=100))
    assert fake.slept == []
    pacer.before("op")
    assert len(fake.slept) == 1


def test_an_answer_of_a_window_that_has_ended_tells_nothing_of_the_next(fake: Any) -> None:
    pacer = Pacer(fake.budget(300))
    request(pacer, headers(24, 60, limit=100))
    slow, quick = pacer.before("op"), pacer.before("op")
    fake.now += 61
    pacer.after("op", headers(99, 60, limit=100), quick)
    pacer.after("op", headers(0, 1, limit=100), slow)
    pacer.before("op")
    assert fake.slept == []


def test_no_headers_no_waiting(fake: Any) -> None:
    pacer = Pacer(fake.budget(300))
    for _number in range(500):
        request(pacer, {})
    assert fake.slept == []


def test_refusal_holds_back(fake: Any) -> None:
    pacer = Pacer(fake.budget(300), jitter=lambda: 0)
    sent = pacer.before("op")
    pacer.refused("op", 7)
    pacer.after("op", {}, sent)
    request(pacer, {})
    assert fake.slept == [7]


@pytest.mark.parametrize(("retry_after", "waited"), [(12, 11), (9, 11), (40, 40)])
def test_a_refusal_tells_the_end_of_the_window_less_exactly(fake: Any, retry_after: int, waited: int) -> None:
    """As a date it has whole seconds. A much later one means something else."""
    pacer = Pacer(fake.budget(300), jitter=lambda: 0)
    sent = pacer.before("op")
    pacer.refused("op", retry_after)
    pacer.after("op", headers(0, 10), sent)
    pacer.before("op")
    assert fake.slept == [waited]


def test_others_get_what_they_are_about_to_take() -> None:
    """Their share was half of the window so far; with nine left, one of ours may be too many already."""
    window = Window(jitter=lambda: 0)
    for left in range(98, 8, -2):
        assert window.delay(0) == 0
        window.sent(0)
        window.answered(RateLimit(100, left, 60, 60), 0, 0)
    assert window.crowd == pytest.approx(1, abs=0.1)
    assert window.delay(0) == 0
    window.sent(0)
    # The last few are told to somebody else, who takes them.
    window.answered(RateLimit(100, 7, 60, 60), 0, 1)
    assert window.delay(1, waiting=8) > 0


def test_who_is_told_the_last_few_takes_them() -> None:
    window = Window(jitter=lambda: 0)
    for left in range(98, 6, -2):
        window.sent(0)
        window.answered(RateLimit(100, left, 60, 60), 0, 0)
    for left in range(7, -1, -1):
        assert window.delay(0, waiting=8) == 0
        window.sent(0)
        assert window.delay(0, waiting=8) > 0
        window.answered(RateLimit(100, left, 60, 60), 0, 0)
    assert window.delay(0, waiting=8) == 61


# What can be told beforehand


@pytest.mark.parametrize(
    ("count", "left", "ends_in", "seconds"),
    [
        (0, 0, 50, 0),
        (80, 80, 50, 0),
        (81, 80, 50, 51),
        (180, 80, 50, 51),
        (181, 80, 50, 112),
        (1, 0, 7, 8),
        (250, 100, 60, 122),
    ],
)
def test_expected_wait(count: int, left: int, ends_in: float, seconds: float) -> None:
    assert expected_wait(count, 100, 60, left, ends_in) == seconds


def test_what_operations_are_expected_to_wait(fake: Any) -> None:
    pacer = Pacer(fake.budget(300))
    assert pacer.expected_wait({"op": 1000}) == 0
    request(pacer, headers(80, 50, limit=100))
    assert pacer.expected_wait({}) == 0
    assert pacer.expected_wait({"op": 80}) == 0
    assert pacer.expected_wait({"op": 81}) == 51
    # One that was not asked yet has the same policy and a full window. They wait at the same time.
    assert pacer.expected_wait({"another": 100}) == 0
    assert pacer.expected_wait({"another": 101}) == 61
    assert pacer.expected_wait({"op": 81, "another": 101}) == 61
    assert pacer.expected_wait({"op": 281, "another": 101}) == 51 + 2 * 61
    fake.now += 20
    assert pacer.expected_wait({"op": 81}) == 31
    fake.now += 30
    assert pacer.expected_wait({"op": 100}) == 0
    # One whose answers told no limit has none.
    pacer.after("free", {}, pacer.before("free"))
    assert pacer.expected_wait({"free": 1000}) == 0
    # One that was refused goes on later, with a full window.
    pacer.refused("op", 30)
    assert 30 <= pacer.expected_wait({"op": 100}) <= 31
    assert pacer.expected_wait({"op": 101}) == pacer.expected_wait({"op": 100}) + 61
    assert fake.slept == []


def test_the_expected_wait_of_a_policy_that_makes_no_sense(fake: Any) -> None:
    pacer = Pacer(fake.budget(300))
    request(pacer, headers(0, 0, limit=0, window=0))
    assert pacer.expected_wait({"op": 5, "another": 5}) == 0


def test_too_long_a_wait_is_an_error_at_once(fake: Any) -> None:
    pacer = Pacer(fake.budget(30))
    request(pacer, headers(0, 50))
    with pytest.raises(WaitExceeded, match="the rate limit on op:"):
        pacer.before("op")
    with pytest.raises(WaitExceeded, match="the rate limit on doing it:"):
        pacer.before("op", "doing it")
    assert fake.slept == []


def test_the_first_request_of_a_window_goes_alone() -> None:
    """Only its answer tells how many are left."""
    pacer = Pacer(WaitBudget(30))
    started = []

    def work(number: Any) -> None:
        sent = pacer.before("op")
        started.append(time.monotonic())
        time.sleep(0.1)
        pacer.after("op", headers(100 - number, 60, limit=200), sent)

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(work, range(5)))
    assert started[1] - started[0] > 0.09
    assert started[-1] - started[1] < 0.09


# Whole runs


def names(count: Any) -> list[Any]:
    return [{"name": f"svc-{number}"} for number in range(count)]


def statuses(sim: Any) -> list[Any]:
    return [request.status for request in sim.requests]


@pytest.fixture
def api_keys(call_module: Callable[..., Any]) -> Any:
    def call(count: Any, **args: Any) -> Any:
        return call_module(
            "honeycomb_api_keys", {"environment": "production", "key_type": "ingest", "api_keys": names(count), **args}
        )

    return call


@pytest.fixture
def sim() -> Iterator[Any]:
    """The policy of the service with a sixtieth of its time and a fifth of its requests."""
    with Simulator(rate_limit=(20, 1.0)) as simulator:
        yield simulator


def test_no_refusal_in_a_run_of_three_windows(sim: Simulator, api_keys: Any) -> None:
    result = api_keys(60)
    assert len(result["created"]) == 60
    assert 429 not in statuses(sim)


def test_waits_are_told(sim: Simulator, run_module: Callable[..., Any]) -> None:
    sim.rate_limit = (20, 2.0)
    args = {"environment": "production", "key_type": "ingest", "api_keys": names(30)}
    result = run_module("honeycomb_api_keys", args)
    assert len(result["created"]) == 30
    assert any("the rate limit on creating keys" in str(warning) for warning in result["warnings"])


def test_a_wait_that_is_too_long_hands_back_what_there_is(sim: Simulator, api_keys: Any) -> None:
    sim.rate_limit = (5, 60)
    result = api_keys(8, max_wait=3)
    assert result["failed"]
    assert len(result["created"]) == 5
    made = sim.keys()
    assert {entry["key"] for entry in result["created"]} == {key.value for key in made}
    assert len(result["failed_items"]) == 3
    for words in ("rate limit on creating keys", "max_wait", "3 of 8"):
        assert words in result["msg"]
    assert 429 not in statuses(sim)


@pytest.mark.parametrize("form", RETRY_AFTER_FORMS)
def test_a_window_that_somebody_else_used(form: Any) -> None:
    with Simulator(rate_limit=(3, 1.0), retry_after=form) as sim:
        others, ours = (Client(Transport(sim.url), *sim.management) for _who in range(2))
        for _number in range(3):
            others.list_environments()
        start = time.monotonic()
        assert ours.list_environments()
        # Moments have whole seconds in most forms, so that the wait may be longer than the window.
        assert 0.2 < time.monotonic() - start < 3.5
        assert statuses(sim).count(429) == 1


def test_refusals_without_a_word_about_when(sim: Simulator) -> None:
    sim.rate_limit = None
    sim.fail("listEnvironments", status=429, shape="empty", retry_after="0", times=3)
    client = Client(Transport(sim.url), *sim.management)
    assert len(client.list_environments()) == 2
    sim.fail("listEnvironments", status=429, retry_after=(NOW + timedelta(days=40000)).isoformat(), times=None)
    with pytest.raises(WaitExceeded):
        client.list_environments()


@pytest.mark.parametrize("count", [50, 70])
def test_a_run_waits_as_long_as_expected(sim: Simulator, count: int) -> None:
    sim.rate_limit = (20, 1.5)
    transport = Transport(sim.url, connections=8)
    client = Client(transport, *sim.management)
    assert transport.expected_wait({"listEnvironments": count}) == 0
    assert client.team
    expected = transport.expected_wait({"listEnvironments": count, "getEnvironment": count // 2})
    assert expected == pytest.approx(1.53 * ((count - 1) // 20))
    start = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _number: client.list_environments(), range(count)))
    # The requests themselves take their time too.
    assert expected - 0.1 < time.monotonic() - start < 1.2 * expected + 0.5
    assert 429 not in statuses(sim)


def test_several_processes_at_once(sim: Simulator, run_module: Callable[..., Any]) -> None:
    """They share the windows of one management key, and none of them gives up."""

    def run(number: Any) -> Any:
        items = [{"name": f"svc-{number}-{item}"} for item in range(15)]
        return run_module("honeycomb_api_keys", {"environment": "production", "key_type": "ingest", "api_keys": items})

    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(run, range(3)))
    assert [len(result.get("created", ())) for result in results] == [15, 15, 15]
    made = sim.keys()
    assert len({key.name for key in made}) == len(made) == 45
