# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long to wait, and why: the service's rate limits and the time one task may spend waiting.

The service counts requests for each operation in windows (``RateLimit: limit=100, remaining=80, reset=54`` and
``RateLimit-Policy: 100;w=60``). :class:`Pacer` waits *before* a request that would be refused; a refusal (429) that
comes all the same, because somebody else uses the same window, is waited out too.
"""

from __future__ import annotations

import math
import random
import re
import threading
import time
import typing as t
from dataclasses import dataclass, field
from datetime import datetime

from .._errors import WaitExceeded
from .._time import describe_seconds, parse_http_date, parse_timestamp


@dataclass(frozen=True)
class RateLimit:
    """One answer's word on its operation: requests left, and seconds until the window ends."""

    limit: int
    remaining: int
    reset: float
    window: float


def parse_rate_limit(headers: t.Mapping[str, str]) -> RateLimit | None:
    """Read the rate-limit headers of an answer; ``None`` where it has none that can be understood."""
    found = dict(re.findall(r"(limit|remaining|reset)\s*=\s*(\d+(?:\.\d+)?)", headers.get("RateLimit", "")))
    if "remaining" not in found or "reset" not in found:
        return None
    policy = re.search(
        r"(\d+)\s*;\s*w\s*=\s*(\d+(?:\.\d+)?)",
        headers.get("RateLimit-Policy") or headers.get("RateLimitPolicy") or "",
    )
    reset = float(found["reset"])
    return RateLimit(
        limit=int(float(found.get("limit") or (policy.group(1) if policy else found["remaining"]))),
        remaining=int(float(found["remaining"])),
        reset=reset,
        window=float(policy.group(2)) if policy else reset,
    )


def parse_retry_after(text: str | None, now: datetime) -> float | None:
    """Seconds to wait from a ``Retry-After``: seconds, an HTTP date or an RFC 3339 time; ``None`` when it is none."""
    if not text:
        return None
    if re.fullmatch(r"\s*\d{1,9}(\.\d+)?\s*", text):
        return float(text)
    moment = parse_timestamp(text) or parse_http_date(text)
    return None if moment is None else max(0.0, (moment - now).total_seconds())


class WaitBudget:
    """The seconds a task may spend waiting, counted by the wall clock: threads that wait together count once."""

    def __init__(
        self,
        max_wait: float,
        clock: t.Callable[[], float] = time.monotonic,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self.max_wait = max_wait
        self.clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._busy_until = -math.inf
        self._spent = 0.0
        self.reasons: dict[str, float] = {}

    def wait(self, seconds: float, reason: str, *, expected: bool = False) -> None:
        """Sleep, or raise :class:`WaitExceeded` at once where that would be more than is left.

        :param expected: This wait is part of the work, so that nobody has to be told.
        """
        if seconds <= 0:
            return
        with self._lock:
            now = self.clock()
            extra = max(0.0, now + seconds - max(now, self._busy_until))
            if self._spent + extra > self.max_wait:
                raise WaitExceeded(
                    f"Stopped before waiting {describe_seconds(seconds)} for {reason}: "
                    f"this task has waited {describe_seconds(self._spent)} already and may wait {describe_seconds(self.max_wait)} "
                    "in all (max_wait). Run it again later, or raise max_wait."
                )
            self._spent += extra
            self._busy_until = max(self._busy_until, now + seconds)
            if not expected:
                self.reasons[reason] = self.reasons.get(reason, 0.0) + extra
        self._sleep(seconds)


@dataclass
class _Window:
    """What is known of one operation's window. ``left`` is ``None`` until an answer has told."""

    left: float | None = None
    ends: float = 0.0
    size: float = 0.0
    in_flight: int = 0
    blocked_until: float = 0.0
    changed: threading.Condition = field(default_factory=threading.Condition)


class Pacer:
    """Lets requests through while their operation's window has room.

    The first request of a window goes alone: only its answer tells how much others have used already.
    """

    def __init__(self, budget: WaitBudget, jitter: t.Callable[[], float] = random.random) -> None:
        self._budget = budget
        self._jitter = jitter
        self._lock = threading.Lock()
        self._windows: dict[str, _Window] = {}

    def _window(self, operation: str) -> _Window:
        with self._lock:
            return self._windows.setdefault(operation, _Window())

    def before(self, operation: str) -> float:
        """Wait until a request of this operation may be sent; return when that is.

        Follow it with :meth:`after`, whatever happens.

        :raises WaitExceeded: where that would take too long.
        """
        window = self._window(operation)
        while True:
            with window.changed:
                now = self._budget.clock()
                delay = window.blocked_until - now
                if delay <= 0:
                    if window.left is not None and now >= window.ends:
                        window.left = None
                    if window.left is None:
                        if not window.in_flight:
                            window.in_flight += 1
                            return now
                        window.changed.wait(1)
                        continue
                    if window.left > 0:
                        window.left -= 1
                        window.in_flight += 1
                        return now
                    # ``reset`` may have been rounded down, and others wait for the same moment.
                    slack = min(1.0, window.size / 50)
                    delay = window.ends - now + slack * (1 + self._jitter())
            self._budget.wait(delay, f"the rate limit of {operation}")

    def after(self, operation: str, headers: t.Mapping[str, str] | None, sent: float) -> None:
        """Note what the answer said of the window (``None``: there was no answer).

        :param sent: What :meth:`before` returned. The answer may be much younger, and answers may overtake each other.
        """
        window = self._window(operation)
        with window.changed:
            window.in_flight -= 1
            told = parse_rate_limit(headers) if headers is not None else None
            if told is not None:
                now = self._budget.clock()
                ends = now + told.reset
                # Requests in flight may not be counted in ``remaining`` yet.
                left = max(0, told.remaining - window.in_flight)
                known = window.left is not None and window.left < math.inf
                same_window = known and sent + told.reset <= window.ends + told.window / 2
                if not same_window:
                    window.left = left
                elif window.left is not None and told.remaining < window.left:
                    window.left = left  # somebody else uses this window too
                window.ends = ends if not same_window else max(ends, window.ends)
                window.size = told.window
            elif headers is not None and window.left is None:
                window.left, window.ends = math.inf, math.inf
            window.changed.notify_all()

    def refused(self, operation: str, seconds: float) -> None:
        """A 429: hold this operation back for that long."""
        window = self._window(operation)
        with window.changed:
            window.left = None
            pause = seconds + min(1.0, seconds / 10) * self._jitter()
            window.blocked_until = max(window.blocked_until, self._budget.clock() + pause)
