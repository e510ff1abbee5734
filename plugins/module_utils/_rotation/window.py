# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""Days and hours in which keys may be rotated, as people write them: ``mon-thu 01:00-05:00 Europe/Berlin``."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo

from .._errors import InputError

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FORM = re.compile(
    r"(?:(?P<days>[A-Za-z]{3}(?:[-,][A-Za-z]{3})*) +)?(?P<start>\d\d?:\d\d) *- *(?P<end>\d\d?:\d\d)(?: +(?P<zone>\S+))?"
)


@dataclass(frozen=True)
class Span:
    """Hours of some days of the week.

    :param days: The days on which it begins, 0 for Monday.
    :param start: Minutes after midnight, and ``length`` minutes from there on.
    """

    days: frozenset[int]
    start: int
    length: int
    zone: tzinfo

    def around(self, moment: datetime) -> t.Iterator[tuple[datetime, datetime]]:
        """Its beginnings and ends, from the day before a moment to a week after it."""
        today = moment.astimezone(self.zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        for days in range(-1, 9):
            day = today + timedelta(days=days)
            if day.weekday() in self.days:
                begins = (day + timedelta(minutes=self.start)).replace(tzinfo=self.zone)
                ends = (day + timedelta(minutes=self.start + self.length)).replace(tzinfo=self.zone)
                yield begins.astimezone(timezone.utc), ends.astimezone(timezone.utc)


@dataclass(frozen=True)
class Window:
    """Some spans of time, every week."""

    spans: tuple[Span, ...]

    def opens(self, moment: datetime) -> datetime:
        """The moment itself while the window is open; otherwise when it opens next."""
        found = [span for entry in self.spans for span in entry.around(moment)]
        if any(begins <= moment < ends for begins, ends in found):
            return moment
        return min(begins for begins, _ends in found if begins > moment)


def parse_window(texts: t.Iterable[str], option: str) -> Window | None:
    """Read a window; ``None`` where nothing is given, so that every time is right.

    :raises InputError: It can't be read.
    """
    spans = tuple(_parse_span(str(text), option) for text in texts)
    return Window(spans) if spans else None


def _parse_span(text: str, option: str) -> Span:
    match = _FORM.fullmatch(" ".join(text.split()))
    days = _parse_days(match["days"].lower()) if match and match["days"] else frozenset(range(7))
    start, end = (_minutes(match["start"]), _minutes(match["end"])) if match else (None, None)
    if match is None or not days or start is None or end is None or start == 24 * 60:
        raise InputError(
            f"{option}: {text!r} is not a window. Write days, hours and a time zone, for example 'mon-thu 01:00-05:00' "
            "or 'sat,sun 22:00-04:00 Europe/Berlin'. Without days, it is every day; without a zone, UTC."
        )
    length = (end - start) % (24 * 60) or 24 * 60
    return Span(days, start, length, _zone(match["zone"], option))


def _parse_days(text: str) -> frozenset[int]:
    """Empty where it is no list of days."""
    found: set[int] = set()
    for part in text.split(","):
        first, _dash, last = part.partition("-")
        if first not in _DAYS or (last or first) not in _DAYS:
            return frozenset()
        begin, end = _DAYS.index(first), _DAYS.index(last or first)
        found.update((begin + offset) % 7 for offset in range((end - begin) % 7 + 1))
    return frozenset(found)


def _minutes(text: str) -> int | None:
    hours, minutes = (int(part) for part in text.split(":"))
    total = 60 * hours + minutes
    return total if minutes < 60 and total <= 24 * 60 else None


def _zone(name: str | None, option: str) -> tzinfo:
    if name is None or name.upper() == "UTC":
        return timezone.utc
    from zoneinfo import ZoneInfo  # pylint: disable=import-outside-toplevel

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InputError(
            f"{option}: the time zone {name!r} is not known on this controller. Write it like Europe/Berlin, install "
            "the Python package tzdata, or use UTC."
        ) from None
