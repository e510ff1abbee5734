# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""Doing the same work for many entries at once."""

from __future__ import annotations

import typing as t
from concurrent.futures import ThreadPoolExecutor

T = t.TypeVar("T")
R = t.TypeVar("R")


def in_parallel(work: t.Callable[[T], R], entries: t.Sequence[T], concurrency: int) -> list[R]:
    """Call ``work`` for every entry, at most ``concurrency`` at a time; results are in the order of the entries."""
    if len(entries) < 2 or concurrency < 2:
        return [work(entry) for entry in entries]
    with ThreadPoolExecutor(max_workers=min(concurrency, len(entries))) as pool:
        return list(pool.map(work, entries))
