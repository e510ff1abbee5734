# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults on purpose: which requests they hit, and what happens then."""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass, field

EFFECTS = (
    "reset",  # the connection is reset (TCP RST)
    "close",  # the connection is closed without an answer
    "hang",  # nothing for ``delay`` seconds, then the connection is closed without an answer
    "status",  # an error: ``status`` in ``shape``, with ``retry_after`` as given
    "garbage",  # the right status with a body that can't be read
    "truncate",  # a body shorter than its Content-Length, then the connection is closed
    "html",  # 200 with a web page
    "redirect",  # 302 to ``location``
    "slow",  # the normal answer, ``delay`` seconds late
    "late",  # no answer (closed after ``hold`` seconds), but carried out ``delay`` seconds later
    "down",  # this request and all later ones except event intake are reset until the service is up again
)
SHAPES = ("jsonapi", "problem", "legacy", "html", "empty")


@dataclass
class Fault:
    """One fault.

    It hits ``times`` requests (None: all), starting with the ``nth`` that matches ``operation`` and ``method``. With
    ``after``, they are carried out first. ``seen`` counts the requests that match, ``hits`` those that were hit.
    """

    effect: str
    operation: str | Collection[str] | None = None
    method: str | None = None
    nth: int = 1
    times: int | None = 1
    after: bool = False
    delay: float = 30.0
    hold: float = 0.0
    status: int = 503
    shape: str = "jsonapi"
    retry_after: str | None = None
    location: str = "http://127.0.0.1:9/elsewhere"
    seen: int = 0
    hits: int = field(default=0)

    def __post_init__(self) -> None:
        if self.effect not in EFFECTS:
            raise ValueError(f"unknown effect {self.effect!r}; use one of {', '.join(EFFECTS)}")
        if self.shape not in SHAPES:
            raise ValueError(f"unknown shape {self.shape!r}; use one of {', '.join(SHAPES)}")
        if isinstance(self.operation, str):
            self.operation = (self.operation,)
        elif self.operation is not None:
            self.operation = tuple(self.operation)
        if self.method is not None:
            self.method = self.method.upper()
        if self.retry_after is not None:
            self.retry_after = str(self.retry_after)

    def meets(self, operation: str, method: str, intake: bool) -> bool:
        """Count a request and return whether the fault hits it. Without an operation, event intake is spared."""
        if self.operation is None:
            if intake:
                return False
        elif operation not in self.operation:
            return False
        if self.method not in (None, method):
            return False
        self.seen += 1
        if self.seen < self.nth or (self.times is not None and self.seen >= self.nth + self.times):
            return False
        self.hits += 1
        return True


class Faults:
    """All active faults. The first one that hits a request wins; the others still count it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def listing(self) -> list[Fault]:
        with self._lock:
            return list(self._faults)

    def find(self, operation: str, method: str, intake: bool) -> Fault | None:
        with self._lock:
            met = [fault for fault in self._faults if fault.meets(operation, method, intake)]
        return met[0] if met else None
