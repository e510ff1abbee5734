# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rate limits: a fixed window for each operation and key."""

from __future__ import annotations

import math
import threading
from datetime import datetime, timezone
from email.utils import format_datetime

from .clock import Clock

RETRY_AFTER_FORMS = ("http-date", "rfc3339", "seconds")


class RateLimits:
    """``limit`` is ``(requests, seconds)``, where seconds may be a fraction; None counts nothing and limits nothing."""

    def __init__(self, clock: Clock, limit: tuple[int, float] | None, retry_after: str) -> None:
        if retry_after not in RETRY_AFTER_FORMS:
            raise ValueError(f"unknown form {retry_after!r}; use one of {', '.join(RETRY_AFTER_FORMS)}")
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}
        self.limit = limit
        self.retry_after = retry_after

    def take(self, operation: str, key_id: str) -> tuple[bool, dict[str, str], str]:
        """Count one request.

        Returns whether it is allowed, the headers for its answer, and when the window ends (RFC 3339).
        """
        if self.limit is None:
            return True, {}, ""
        limit, window = self.limit
        now = self._clock.time()
        with self._lock:
            start, used = self._windows.get((operation, key_id), (now, 0))
            if not start <= now < start + window:
                start, used = now, 0
            allowed = used < limit
            if allowed:
                used += 1
            self._windows[(operation, key_id)] = (start, used)
        end = start + window
        headers = {
            "RateLimit": f"limit={limit}, remaining={limit - used}, reset={_seconds(end - now, window)}",
            "RateLimitPolicy": f"{limit};w={window:g}",
        }
        if not allowed:
            headers["Retry-After"] = self._retry_after(end, now, window)
        return allowed, headers, _next_second(end).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _retry_after(self, end: float, now: float, window: float) -> str:
        if self.retry_after == "seconds":
            return _seconds(end - now, window)
        if self.retry_after == "http-date":
            return format_datetime(_next_second(end), usegmt=True)
        if float(window).is_integer():
            return _next_second(end).strftime("%Y-%m-%dT%H:%M:%SZ")
        exact = datetime.fromtimestamp(end + 0.001, timezone.utc).isoformat(timespec="milliseconds")
        return exact.replace("+00:00", "Z")


def _next_second(moment: float) -> datetime:
    """Rounded up, so that a client that waits until then gets through."""
    return datetime.fromtimestamp(math.ceil(moment), timezone.utc)


def _seconds(seconds: float, window: float) -> str:
    """Whole seconds, as the service writes them; fractions only if the window itself has one."""
    if float(window).is_integer():
        return str(math.ceil(seconds))
    return f"{math.ceil(seconds * 1000) / 1000:g}"
