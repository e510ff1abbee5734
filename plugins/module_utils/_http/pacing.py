# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""How long to wait, and why: the service's rate limits and the time one task may spend waiting.

The service counts requests for each operation in windows, and says in each answer's headers how many are left: see
:func:`parse_rate_limit`. :class:`Pacer` waits *before* a request that would be refused; a refusal (429) that comes all
the same, because somebody else uses the same window, is waited out too.
"""

from __future__ import annotations

import math
import random
import re
import threading
import time
import typing as t
from dataclasses import dataclass, field
from datetime import datetime, timezone

from .._errors import WaitExceeded
from .._time import describe_seconds, parse_http_date, parse_timestamp


@dataclass(frozen=True)
class RateLimit:
    """One answer's word on its operation: requests left, and seconds until the window ends."""

    limit: int
    remaining: int
    reset: float
    window: float


# Not longer than what is still exact, and never infinite.
# Seconds for which requests go without a limit after one that had no answer; then one goes alone again.
_UNKNOWN = 1.0

_NUMBER = r"\d{1,15}(?:\.\d{1,9})?(?![\w.])"
_MEMBER = re.compile(r'(?:"([^"]*)"|([\w.*/:-]+))((?:\s*;\s*[\w.*-]+\s*=\s*(?:"[^"]*"|[^\s;,"]+))*)')
# A reset this large is no number of seconds to wait, but a time since 1970: in seconds, or in milliseconds.
_EPOCH_SECONDS = 1e9
_EPOCH_MILLISECONDS = 1e12


def _members(text: str) -> t.Iterator[tuple[str, dict[str, float]]]:
    """The members of a list like ``"default";q=100;w=60, "burst";q=5;w=1``: each one's name and numbers."""
    for quoted, bare, parameters in _MEMBER.findall(text):
        found = re.findall(rf";\s*(\w+)\s*=\s*({_NUMBER})", parameters)
        yield quoted or bare, {name: float(number) for name, number in found}


def _leading_number(text: str | None) -> float | None:
    found = re.match(rf"\s*({_NUMBER})", text or "")
    return float(found.group(1)) if found else None


def parse_rate_limit(headers: t.Mapping[str, str]) -> RateLimit | None:
    """Read the rate-limit headers of an answer; ``None`` where it has none that can be understood.

    In any of three forms:

    * ``RateLimit: limit=100, remaining=80, reset=54``, with ``RateLimit-Policy: 100;w=60`` (Honeycomb's today),
    * ``RateLimit: "default";r=80;t=54``, with ``RateLimit-Policy: "default";q=100;w=60`` (the IETF's today). Where
      there are several policies, the one with the fewest requests left counts.
    * ``X-RateLimit-Limit: 100``, ``X-RateLimit-Remaining: 80`` and ``X-RateLimit-Reset: 54``. The last may also be a
      time since 1970.
    """
    policies: dict[str, tuple[float, float]] = {}
    for name, numbers in _members(headers.get("RateLimit-Policy") or headers.get("RateLimitPolicy") or ""):
        quota = numbers.get("q", _leading_number(name))
        if quota is not None and "w" in numbers:
            policies.setdefault(name, (quota, numbers["w"]))
    text = headers.get("RateLimit") or ""
    told = [
        _rate_limit(numbers["r"], numbers.get("t"), None, policies.get(name))
        for name, numbers in _members(text)
        if "r" in numbers
    ]
    policy = next(iter(policies.values()), None)
    found = {name: float(number) for name, number in re.findall(rf"(limit|remaining|reset)\s*=\s*({_NUMBER})", text)}
    told.append(_rate_limit(found.get("remaining"), found.get("reset"), found.get("limit"), policy))
    for prefix in ("X-RateLimit", "RateLimit"):
        limit, remaining, reset = (
            _leading_number(headers.get(f"{prefix}-{name}")) for name in ("Limit", "Remaining", "Reset")
        )
        told.append(_rate_limit(remaining, _seconds_left(reset, headers), limit, policy))
    understood = [one for one in told if one is not None]
    return min(understood, key=lambda one: (one.remaining, -one.reset)) if understood else None


def _rate_limit(
    remaining: float | None, reset: float | None, limit: float | None, policy: tuple[float, float] | None
) -> RateLimit | None:
    """Put together what was told. A policy is a quota of requests, and its window in seconds."""
    if reset is None and policy:
        reset = policy[1]
    if remaining is None or reset is None:
        return None
    if limit is None:
        limit = policy[0] if policy else remaining
    return RateLimit(int(limit), int(remaining), reset, window=policy[1] if policy else reset)


def _seconds_left(reset: float | None, headers: t.Mapping[str, str]) -> float | None:
    """``X-RateLimit-Reset`` as seconds from now, by the clock of the service where it tells it."""
    if reset is None or reset < _EPOCH_SECONDS:
        return reset
    now = parse_http_date(headers.get("Date")) or datetime.now(timezone.utc)
    return max(0.0, (reset / 1000 if reset >= _EPOCH_MILLISECONDS else reset) - now.timestamp())


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
                    f"this task has already waited {describe_seconds(self._spent)} and may wait "
                    f"{describe_seconds(self.max_wait)} in all (max_wait).",
                    advice="Run it again later, or raise max_wait.",
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

    def before(self, operation: str, doing: str = "") -> float:
        """Wait until a request of this operation may be sent; return when that is.

        Follow it with :meth:`after`, whatever happens.

        :param doing: The operation in words, for people.
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
            self._budget.wait(delay, f"the rate limit on {doing or operation}")

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
            elif window.left is None:
                # Without an answer nothing is known; waiting for each other's time limits would take forever.
                window.left = math.inf
                window.ends = math.inf if headers is not None else self._budget.clock() + _UNKNOWN
            window.changed.notify_all()

    def refused(self, operation: str, seconds: float) -> None:
        """A 429: hold this operation back for that long."""
        window = self._window(operation)
        with window.changed:
            window.left = None
            pause = seconds + min(1.0, seconds / 10) * self._jitter()
            window.blocked_until = max(window.blocked_until, self._budget.clock() + pause)
