# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.community.honeycomb.plugins.module_utils._errors import InputError
from ansible_collections.community.honeycomb.plugins.module_utils._time import (
    describe_seconds,
    format_timestamp,
    parse_duration,
    parse_http_date,
    parse_timestamp,
)

UTC = timezone.utc


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90d", timedelta(days=90)),
        ("12h", timedelta(hours=12)),
        ("1d12h", timedelta(days=1, hours=12)),
        (" 2W ", timedelta(weeks=2)),
        ("30m", timedelta(minutes=30)),
        ("0s", timedelta(0)),
        ("0", timedelta(0)),
        (0, timedelta(0)),
    ],
)
def test_durations(text: Any, expected: Any) -> None:
    assert parse_duration(text, "max_age") == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "d",
        "90",
        90,
        "-1d",
        "1.5h",
        "1 d",
        "1y",
        "d1",
        "90d!",
        "\u0663d",
        "1e3s",
        "99999999999w",
        "1d" * 9 + "x",
        "None",
        True,
    ],
)
def test_what_is_no_duration(text: Any) -> None:
    with pytest.raises(InputError) as caught:
        parse_duration(text, "max_age")
    assert caught.value.message.startswith(f"max_age: {text!r} is not a duration")
    assert "90d" in caught.value.message


@given(st.text(max_size=20) | st.from_regex(r"[0-9]{1,13}[smhdw]{1,2}", fullmatch=True))
def test_any_text_is_a_duration_or_refused(text: Any) -> None:
    try:
        duration = parse_duration(text, "x")
    except InputError:
        return
    assert timedelta(0) <= duration
    assert datetime(3000, 1, 1, tzinfo=UTC) - duration < datetime(3001, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-11T08:15:00Z",
        "2026-02-11t08:15:00z",
        "2026-02-11 08:15:00+00:00",
        "2026-02-11T10:15:00.000+02:00",
        "2026-02-11T08:15:00.000000000Z",
        " 2026-02-11T08:15:00-00:00\n",
    ],
)
def test_timestamps(text: Any) -> None:
    assert parse_timestamp(text) == datetime(2026, 2, 11, 8, 15, tzinfo=UTC)
    assert format_timestamp(parse_timestamp(text)) == "2026-02-11T08:15:00Z"


@pytest.mark.parametrize(
    "text",
    [
        None,
        1,
        "",
        "yesterday",
        "2026-02-11",
        "2026-02-11T08:15:00",
        "2026-13-11T08:15:00Z",
        "2026-02-30T08:15:00Z",
        "0001-01-01T00:00:00+23:00",
        "9999-12-31T23:59:59-23:00",
        "2026-02-11T08:15:00+99:00",
        {},
    ],
)
def test_what_is_no_timestamp(text: Any) -> None:
    assert parse_timestamp(text) is None


# Hypothesis wants the bounds without a time zone.
FIRST, LAST = datetime(1000, 1, 2), datetime(9999, 12, 30)  # noqa: DTZ001


@given(st.datetimes(timezones=st.timezones(), min_value=FIRST, max_value=LAST))
def test_a_timestamp_comes_back(moment: Any) -> None:
    again = parse_timestamp(format_timestamp(moment))
    assert again == moment.astimezone(UTC).replace(microsecond=0)


@given(st.text(max_size=40))
def test_any_text_is_a_date_or_none(text: Any) -> None:
    for parse in (parse_timestamp, parse_http_date):
        moment = parse(text)
        assert moment is None or moment.tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Wed, 11 Feb 2026 08:15:00 GMT", datetime(2026, 2, 11, 8, 15, tzinfo=UTC)),
        ("Wed, 11 Feb 2026 10:15:00 +0200", datetime(2026, 2, 11, 8, 15, tzinfo=UTC)),
        ("Wednesday, 11-Feb-26 08:15:00 GMT", datetime(2026, 2, 11, 8, 15, tzinfo=UTC)),
        (None, None),
        ("", None),
        (" ", None),
        ("soon", None),
        ("Fri, 31 Dec 9999 23:59:59 -0100", None),
        ("Wed, 99 Feb 2026 08:15:00 GMT", None),
    ],
)
def test_http_dates(text: Any, expected: Any) -> None:
    assert parse_http_date(text) == expected


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.25, "0.2 s"),
        (1, "1 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (95.2, "1 min 35 s"),
        (3600, "1 h"),
        (3725, "1 h 2 min"),
        (86400, "1 d"),
        (93600, "1 d 2 h"),
        (1e9, "11574 d 1 h"),
    ],
)
def test_seconds_for_people(seconds: Any, text: Any) -> None:
    assert describe_seconds(seconds) == text
