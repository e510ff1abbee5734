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

import bisect
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


# Seconds for which requests go without a limit after one that had no answer; then one goes alone again.
_UNKNOWN = 1.0
# Near the end of a window we know too little to send many at once: at most one request in progress, ours and others'
# together, for so many that are left.
_LEFT_FOR_EACH = 3
# The last few of a window, which one of the processes that share it uses up alone.
_LAST_FEW = 8
# How much of what was known of others is kept with each request of ours: the last ten or so count.
_MEMORY = 0.9
# Seconds by which ``Retry-After`` may be late as a date: its own whole seconds, those of ``Date``, and our jitter.
_DATES_ARE_LATE = 3.0

# Not longer than what is still exact, and never infinite.
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


def _slack(window: float) -> float:
    """Seconds to stay away after a window's end: ``reset`` may have been rounded down."""
    return min(1.0, window / 50)


def expected_wait(count: int, limit: int, window: float, left: float, ends_in: float) -> float:
    """Seconds until the last of so many requests may go, if nobody else makes any.

    :param limit: Requests in each window of ``window`` seconds.
    :param left: Requests left in the current window, which ends in ``ends_in`` seconds.
    """
    if count <= left:
        return 0.0
    ends = math.ceil((count - left) / max(1, limit))  # of how many windows have to be waited for
    return ends_in + (ends - 1) * window + ends * _slack(window)


class Window:
    """What the answers told of one operation's window, and so whether one more request may go.

    Nothing here sleeps or locks, and the time is given, so that tests can try it out with a clock of their own.

    Other processes may use the same window. We know them by what they take only: ``crowd`` is how many requests of
    others the service counted for each of ours, lately. While some of ours are in progress, so are ``crowd`` times as
    many of theirs, and there has to be room for all. Last of all, the service tells each number of requests left to
    one request only. So whoever is told ``_LAST_FEW`` takes those alone, one after the other, and all others stop.
    """

    def __init__(self, jitter: t.Callable[[], float] = random.random) -> None:
        self._jitter = jitter
        self.limit = 0
        self.size = 0.0
        self.in_flight = 0
        # What will be left when all that we sent is counted; ``None`` until an answer has told.
        self._left: float | None = None
        self._ends = 0.0
        self._blocked_until = 0.0
        # Of how many requests the last one told, and when we sent those that may have been counted after it
        self._told = 0
        self._sent: list[float] = []
        # Requests counted lately
        self._own = 1.0
        self._others = 0.0
        # The last few are ours; or else when to look whether they are left after all (``None``: not decided)
        self._last_are_ours = False
        self._look: float | None = None
        # Seconds from a request to its answer, and the most requests that we ever had to send at the same time
        self._trip = 0.0
        self._most = 0

    @property
    def crowd(self) -> float:
        return max(0.0, self._others / self._own)

    @property
    def _last_few(self) -> int:
        return min(_LAST_FEW, self.limit // 3)

    def delay(self, now: float, waiting: int = 1) -> float:
        """Seconds until a request may go: 0 if it may go now, infinite if that depends on one in progress.

        :param waiting: Our requests that have not been sent yet, as far as that is known; this one included.
        """
        self._most = max(self._most, waiting + self.in_flight)
        if self._blocked_until > now:
            return self._blocked_until - now
        if now >= self._ends:
            self._left = None
        if self._left is None:
            return math.inf if self.in_flight else 0.0
        if self._has_room(self._left):
            return 0.0
        if self._left > 0:
            if self.in_flight:
                return math.inf
            if self._look is None:
                self._look = self._time_to_look(self._left, now, waiting)
            if self._look < self._ends:
                return max(0.0, self._look - now)
        # Others wait for the same moment.
        return self._ends - now + _slack(self.size) * (1 + self._jitter())

    def _has_room(self, left: float) -> bool:
        ours = self.in_flight + 1
        others = round(self.crowd * ours)
        counted = left + self.in_flight
        if left < 1 or (ours > 1 and _LEFT_FOR_EACH * (ours + others) > counted):
            return False
        if not others:
            return True
        return not self.in_flight if self._last_are_ours else counted > self._last_few

    def _time_to_look(self, left: float, now: float, waiting: int) -> float:
        """When to send one more although somebody else was to take the last few; infinite for not at all.

        That one may have had nothing more to send, and then we take the last few. But mostly a look is refused, so not
        everybody looks. Those do who were told of the most that was left, and those who have few requests to send
        still: they would wait through a whole window for them.
        """
        # One whose answer has just come may be about to go on.
        almost_done = waiting + 1 < max(3, self._most)
        if almost_done or self._jitter() < 1 / max(1.0, self._last_few - left):
            return now + self._trip * self._last_few * (1.5 + self._jitter())
        return math.inf

    def sent(self, now: float) -> None:
        """A request goes."""
        if self._look is not None:
            self._look, self._last_are_ours = None, True
        self.in_flight += 1
        self._sent.append(now)
        if self._left is not None:
            self._left -= 1

    def answered(self, told: RateLimit | None, sent: float, now: float, *, lost: bool = False) -> None:
        """Note what an answer told.

        :param sent: When its request went. The answer may be much younger, and answers may overtake each other.
        :param lost: There was no answer.
        """
        self.in_flight -= 1
        if told is None:
            if self._left is None:
                # Without an answer nothing is known; waiting for each other's time limits would take forever.
                self._left = math.inf
                self._ends = now + _UNKNOWN if lost else math.inf
            return
        ends = now + told.reset
        known = self._left is not None and self._left < math.inf and told.window == self.size
        if known and sent + told.reset < self._ends - told.window / 2:
            return  # it was slow, and tells of a window that has ended meanwhile
        self.limit, self.size = told.limit, told.window
        self._trip += (now - sent - self._trip) * (0.2 if self._trip else 1)
        if self._left != math.inf and now < self._ends and sent + told.reset <= self._ends + told.window / 2:
            # The same window. ``reset`` may have been rounded up, so the earliest end is the most exact one.
            self._ends = min(ends, self._ends)
        else:
            self._ends = ends
            self._left = None
        # Of ours, those sent until then. Others account for what else is missing.
        ours = bisect.bisect_right(self._sent, sent)
        del self._sent[:ours]
        if self._left is None:
            # Requests in flight may not be counted in ``remaining`` yet.
            self._left = max(0, told.remaining - self.in_flight)
            self._told = told.remaining
            self._last_are_ours = False
        else:
            self._left = min(self._left, told.remaining)
            if ours:  # or else a later one of ours has been answered already
                keep = _MEMORY**ours
                self._own = self._own * keep + ours
                self._others = self._others * keep + self._told - told.remaining - ours
                self._told = told.remaining
        if told.remaining == self._last_few:
            self._last_are_ours = True
        if not told.remaining and now < self._ends and self._blocked_until <= self._ends + _DATES_ARE_LATE:
            self._blocked_until = 0.0  # the end of the window is the same moment, told more exactly

    def refused(self, seconds: float, now: float) -> None:
        """A 429: nothing goes for that long."""
        self._left = None
        pause = seconds + min(1.0, seconds / 10) * self._jitter()
        self._blocked_until = max(self._blocked_until, now + pause)

    def expected_wait(self, count: int, limit: int, size: float, now: float) -> float:
        """Seconds until the last of so many further requests may go; the policy is one to assume if we were told none.

        0 where answers came and told no limit.
        """
        if self._left == math.inf and self._ends == math.inf:
            return 0.0
        if self.limit:
            limit, size = self.limit, self.size
        blocked = max(0.0, self._blocked_until - now)
        if blocked or self._left in (None, math.inf) or now >= self._ends:
            return blocked + expected_wait(count, limit, size, limit, size)
        return expected_wait(count, limit, size, self._left or 0, self._ends - now)


@dataclass
class _Shared:
    """A window that several threads use, and how many of them wait for it."""

    window: Window
    waiting: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)


class Pacer:
    """Lets requests through while their operation's window has room.

    The first request of a window goes alone: only its answer tells how much others have used already.
    """

    def __init__(self, budget: WaitBudget, jitter: t.Callable[[], float] = random.random) -> None:
        self._budget = budget
        self._jitter = jitter
        self._lock = threading.Lock()
        self._windows: dict[str, _Shared] = {}

    def _window(self, operation: str) -> _Shared:
        with self._lock:
            return self._windows.setdefault(operation, _Shared(Window(self._jitter)))

    def before(self, operation: str, doing: str = "") -> float:
        """Wait until a request of this operation may be sent; return when that is.

        Follow it with :meth:`after`, whatever happens.

        :param doing: The operation in words, for people.
        :raises WaitExceeded: where that would take too long.
        """
        shared = self._window(operation)
        with shared.changed:
            shared.waiting += 1
        try:
            while True:
                with shared.changed:
                    now = self._budget.clock()
                    delay = shared.window.delay(now, shared.waiting)
                    if delay <= 0:
                        shared.window.sent(now)
                        return now
                    if delay == math.inf:
                        shared.changed.wait(1)
                        continue
                self._budget.wait(delay, f"the rate limit on {doing or operation}")
        finally:
            with shared.changed:
                shared.waiting -= 1

    def after(self, operation: str, headers: t.Mapping[str, str] | None, sent: float) -> None:
        """Note what the answer said of the window (``None``: there was no answer).

        :param sent: What :meth:`before` returned.
        """
        shared = self._window(operation)
        told = parse_rate_limit(headers) if headers is not None else None
        with shared.changed:
            shared.window.answered(told, sent, self._budget.clock(), lost=headers is None)
            shared.changed.notify_all()

    def refused(self, operation: str, seconds: float) -> None:
        """A 429: hold this operation back for that long."""
        shared = self._window(operation)
        with shared.changed:
            shared.window.refused(seconds, self._budget.clock())

    def expected_wait(self, requests: t.Mapping[str, int]) -> float:
        """Seconds for which the rate limit will hold so many further requests back, by operation.

        Operations wait at the same time, so it is that of the slowest one. It counts on nobody else using the same
        windows. An operation that was told no policy yet is assumed to have the strictest of those told for others,
        and a full window; without any, nothing is expected.
        """
        now = self._budget.clock()
        with self._lock:
            windows = {operation: shared.window for operation, shared in self._windows.items()}
        policies = [(window.limit, window.size) for window in windows.values() if window.limit and window.size]
        if not policies:
            return 0.0
        limit, size = min(policies, key=lambda policy: policy[0] / policy[1])
        waits = [
            windows.get(operation, Window()).expected_wait(count, limit, size, now)
            for operation, count in requests.items()
        ]
        return max(waits, default=0.0)
