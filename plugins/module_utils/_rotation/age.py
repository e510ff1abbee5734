# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""When the rotation of a key has to begin, so that the old key is disabled in time. Pure.

::

    created             begins       old key disabled    deadline
       |------------------|-- overlap --|-- lead, spread --|

The deadline is ``created + max_age``, or the end of the key's time to live. The lead is for nights that fail. The
spread is another part of the time, from nothing to an eighth, that depends on the key alone: keys that were created on
one day come due on different days.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

# What lead and spread may take of the time between creation and deadline, after the overlap.
_LEAD_SHARE, _SPREAD_SHARE = 4, 8
# A nightly run does not start at the same second each night.
_SLACK = timedelta(hours=6)


@dataclass(frozen=True)
class Schedule:
    """When a key is due.

    :param begins: From when on a new key is to be created.
    :param deadline: When the old key has to be disabled at the latest.
    """

    begins: datetime
    deadline: datetime


def schedule_of(
    created: datetime,
    ends: datetime | None,
    *,
    max_age: timedelta,
    overlap: timedelta,
    lead: timedelta,
    identity: tuple[str, ...],
) -> Schedule:
    """When a key is due.

    :param ends: When the service ends it by itself, where it has a time to live.
    :param identity: What tells the key apart; the same on every run.
    """
    deadline = min(created + max_age, ends) if ends else created + max_age
    life = max(deadline - created, timedelta(0))
    # A key that ends before its overlap would be over is replaced in the middle of its life.
    room = life - min(overlap, life / 2)
    ahead = min(lead, room / _LEAD_SHARE) + room / _SPREAD_SHARE * _share(identity)
    return Schedule(created + room - ahead, deadline)


def _share(identity: tuple[str, ...]) -> float:
    """A number from 0 to below 1 that is always the same for one key, and spreads evenly over many."""
    digest = hashlib.sha256("\0".join(identity).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def pause_after(failures: int, last: datetime) -> datetime:
    """When the next scheduled try may be, after so many that left an enabled key behind: one may come at once, then the
    pauses double. In ``n`` nights that all fail, at most ``1 + ceil(log2(n + 1))`` keys are left.

    :param last: When the last of them was given up.
    """
    days = 2 ** min(failures - 1, 5) - 1
    return last + timedelta(days=days) - (_SLACK if days else timedelta(0))
