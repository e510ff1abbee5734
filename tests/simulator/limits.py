# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rate limits: a fixed window for each operation and each key."""

from __future__ import annotations

import math
import threading
from datetime import datetime, timezone
from email.utils import format_datetime

RETRY_AFTER_FORMS = ("http-date", "rfc3339", "seconds")


class RateLimits:
    """`limit` requests in `window` seconds (a fraction is allowed); without a limit nothing is counted."""

    def __init__(self, clock, limit: tuple | None, retry_after: str) -> None:
        if retry_after not in RETRY_AFTER_FORMS:
            raise ValueError(f"unknown form {retry_after!r}, use one of {', '.join(RETRY_AFTER_FORMS)}")
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict = {}
        self.limit = limit
        self.retry_after = retry_after

    def take(self, operation: str, key_id: str) -> tuple[bool, dict, str]:
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
            "RateLimit": f"limit={limit}, remaining={limit - used}, reset={self._seconds(end - now)}",
            "RateLimitPolicy": f"{limit};w={window:g}",
        }
        # Rounded up: whoever waits until then must get through.
        whole = datetime.fromtimestamp(math.ceil(end), timezone.utc)
        if not allowed:
            headers["Retry-After"] = self._retry_after(end, end - now, whole)
        return allowed, headers, whole.strftime("%Y-%m-%dT%H:%M:%SZ")

    def _seconds(self, seconds: float) -> str:
        """Whole seconds, as the service writes them; fractions only where the window itself has one."""
        if float(self.limit[1]).is_integer():
            return str(math.ceil(seconds))
        return f"{math.ceil(seconds * 1000) / 1000:g}"

    def _retry_after(self, end: float, seconds: float, whole: datetime) -> str:
        if self.retry_after == "seconds":
            return self._seconds(seconds)
        if self.retry_after == "http-date":
            return format_datetime(whole, usegmt=True)
        if float(self.limit[1]).is_integer():
            return whole.strftime("%Y-%m-%dT%H:%M:%SZ")
        exact = datetime.fromtimestamp(end + 0.001, timezone.utc).isoformat(timespec="milliseconds")
        return exact.replace("+00:00", "Z")
