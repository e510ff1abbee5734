# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""Points in time and durations: RFC 3339 in, aware UTC datetimes and seconds out."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

from ._errors import InputError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)")
# timedelta holds about 2.7 million years; a thousand is beyond any key's life, and keeps date arithmetic in range.
_LONGEST = 1000 * 365 * 86400


def parse_duration(text: str | int, option: str) -> timedelta:
    """Read a duration like ``90d``, ``12h``, ``1d12h`` or ``0s``. A number other than 0 needs its unit: who writes
    90 means days, and taking it for seconds would find every key too old.

    :param option: Named in the error.
    :raises InputError: for anything else.
    """
    written = str(text).strip().lower()
    if written == "0":
        written = "0s"
    seconds = 0
    if re.fullmatch(r"(?:[0-9]{1,12}[smhdw])+", written):
        seconds = sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"([0-9]+)([smhdw])", written))
    else:
        seconds = _LONGEST + 1
    if seconds > _LONGEST:
        raise InputError(
            f"{option}: {text!r} is not a duration. Write a number and a unit (s, m, h, d or w), for example "
            "90d, 12h or 0s."
        )
    return timedelta(seconds=seconds)


def parse_timestamp(text: object) -> datetime | None:
    """Read an RFC 3339 time as UTC; ``None`` when it is not one."""
    if not isinstance(text, str):
        return None
    match = _RFC3339.fullmatch(text.strip())
    if not match:
        return None
    date, clock, fraction, zone = match.groups()
    zone = "+00:00" if zone in "Zz" else zone
    try:
        return datetime.fromisoformat(f"{date}T{clock}.{(fraction or '0')[:6]:0<6}{zone}").astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def format_timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with whole seconds."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_http_date(text: str | None) -> datetime | None:
    """Read the date of an HTTP header as UTC; ``None`` when it is not one."""
    try:
        moment = parsedate_to_datetime(text or "")
        return moment.astimezone(timezone.utc) if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    except (TypeError, ValueError, OverflowError):
        return None


def describe_seconds(seconds: float) -> str:
    """``95.2`` becomes ``1 min 35 s``, for people to read."""
    whole = int(seconds + 0.5)
    for size, unit, smaller, small_unit in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit}" + (f" {rest} {small_unit}" if rest else "")
    return f"{whole} s" if whole >= 1 or seconds < 0.05 else f"{seconds:.1f} s"
