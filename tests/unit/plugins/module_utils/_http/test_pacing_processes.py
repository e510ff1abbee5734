# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes that share a window and know nothing of each other, on a clock of events: nothing sleeps here."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from ansible_collections.community.honeycomb.plugins.module_utils._http.pacing import RateLimit, Window

ROUNDING: dict[str, Callable[[float], float]] = {"up": math.ceil, "down": math.floor, "none": float}


class Events:
    """A clock that jumps from one event to the next."""

    def __init__(self) -> None:
        self.now = 0.0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._queue, (self.now + seconds, self._count, what))

    def run(self) -> None:
        while self._queue:
            self.now, _count, what = heapq.heappop(self._queue)
            what()


class Service:
    """Counts requests in windows that begin with a request, like the simulator."""

    def __init__(self, events: Events, limit: int, size: float, rounding: str) -> None:
        self._events = events
        self._limit = limit
        self._size = size
        self._round = ROUNDING[rounding]
        self._start = -math.inf
        self._used = 0
        self.first: float | None = None
        self.last = 0.0
        self.accepted = 0
        self.refused = 0

    def take(self) -> tuple[RateLimit, bool]:
        now = self._events.now
        if now >= self._start + self._size:
            self._start, self._used = now, 0
        allowed = self._used < self._limit
        if allowed:
            self._used += 1
            self.accepted += 1
            self.first = now if self.first is None else self.first
            self.last = now
        else:
            self.refused += 1
        reset = self._round(self._start + self._size - now)
        return RateLimit(self._limit, self._limit - self._used, reset, self._size), allowed


class Process:
    """A task with several connections and so many requests to send, paced by the window under test."""

    def __init__(self, events: Events, service: Service, chance: random.Random, count: int, connections: int) -> None:
        self._events = events
        self._service = service
        self._chance = chance
        self._window = Window(chance.random)
        self._to_send = count
        self._connections = connections
        self._waiting = 0
        self._for_an_answer = 0

    def begin(self) -> None:
        for _number in range(self._connections):
            self._next()

    def _next(self) -> None:
        if self._to_send:
            self._to_send -= 1
            self._waiting += 1
            self._try()

    def _try(self) -> None:
        delay = self._window.delay(self._events.now, self._waiting)
        if delay == math.inf:
            self._for_an_answer += 1
        elif delay > 0:
            self._events.after(delay, self._try)
        else:
            self._waiting -= 1
            self._send()

    def _send(self) -> None:
        sent = self._events.now
        self._window.sent(sent)
        trip = 0.05 * (1 + 0.3 * self._chance.expovariate(1.0))
        there = trip * self._chance.uniform(0.2, 0.8)

        def arrive() -> None:
            told, allowed = self._service.take()
            self._events.after(trip - there, lambda: self._answered(told, allowed, sent))

        self._events.after(there, arrive)

    def _answered(self, told: RateLimit, allowed: bool, sent: float) -> None:
        now = self._events.now
        if not allowed:
            # As a date, which may be two seconds late.
            self._window.refused(told.reset + 2 * self._chance.random(), now)
            self._waiting += 1
        self._window.answered(told, sent, now)
        # Those that waited for an answer, and what goes on here
        again, self._for_an_answer = self._for_an_answer, 0
        for _number in range(again):
            self._try()
        if allowed:
            self._next()
        else:
            self._try()


@dataclass
class Outcome:
    ratio: float  # of the time that it took to that of the windows it needed
    refused: float  # of all requests


def simulate(
    seed: int,
    counts: tuple[int, ...],
    connections: tuple[int, ...] = (8,),
    limit: int = 100,
    size: float = 60.0,
    rounding: str = "up",
) -> Outcome:
    chance = random.Random(seed)
    events = Events()
    service = Service(events, limit, size, rounding)
    for number, count in enumerate(counts):
        process = Process(events, service, chance, count, connections[number % len(connections)])
        events.after(chance.uniform(0, 0.5), process.begin)
    events.run()
    assert service.first is not None
    assert service.accepted == sum(counts)
    full = math.ceil(service.accepted / limit) - 1
    return Outcome(
        ratio=(service.last - service.first) / (full * size),
        refused=service.refused / (service.accepted + service.refused),
    )


@pytest.mark.parametrize(
    ("counts", "options"),
    [
        # All windows full, so that one request too few in any of them costs another window
        ((100, 100, 100, 100), {}),
        ((100, 100, 100, 100), {"rounding": "down"}),
        ((100, 100, 100, 100), {"rounding": "none"}),
        ((200, 200), {}),
        ((50, 50, 50, 50), {"limit": 50}),
        # The last one not full
        ((95, 95, 95, 95), {}),
        ((53, 53, 53, 53), {"limit": 40}),
        ((60,) * 8, {}),
        # Unlike each other
        ((20, 60, 140, 190), {}),
        ((100, 100, 100, 90), {"connections": (2, 8, 8, 16)}),
    ],
)
def test_processes_share_a_window(counts: tuple[int, ...], options: dict[str, Any]) -> None:
    outcomes = [simulate(seed, counts, **options) for seed in range(40)]
    slow = [seed for seed, outcome in enumerate(outcomes) if outcome.ratio > 1.05]
    refused = sum(outcome.refused for outcome in outcomes) / len(outcomes)
    # Full to the last request is a matter of luck.
    assert len(slow) <= 4, f"slower than 1.05 times the ideal: {slow}"
    assert refused < 0.05


@pytest.mark.parametrize("rounding", ROUNDING)
@pytest.mark.parametrize(("connections", "most"), [(1, 1.1), (8, 1.04), (16, 1.04)])
def test_one_process_alone(rounding: str, connections: int, most: float) -> None:
    """It is never refused, and leaves nothing of a window."""
    for seed in range(20):
        outcome = simulate(seed, (300,), (connections,), rounding=rounding)
        assert outcome.refused == 0
        assert outcome.ratio < most


def test_somebody_who_has_gone_leaves_nothing_unused() -> None:
    """The one who was to take the last few has nothing more to send: another one looks, and takes them."""
    outcomes = [simulate(seed, (40, 55, 5 * 100 - 95)) for seed in range(40)]
    assert sum(outcome.ratio > 1.05 for outcome in outcomes) <= 2
