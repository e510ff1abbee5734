# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When keys are due: deadlines, windows, how many a night, pauses after failures."""

from __future__ import annotations

import math
from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.community.honeycomb.plugins.module_utils._api.resources import ApiKey, Environment
from ansible_collections.community.honeycomb.plugins.module_utils._errors import InputError
from ansible_collections.community.honeycomb.plugins.module_utils._keys.generations import Marks
from ansible_collections.community.honeycomb.plugins.module_utils._rotation import report
from ansible_collections.community.honeycomb.plugins.module_utils._rotation.age import pause_after, schedule_of
from ansible_collections.community.honeycomb.plugins.module_utils._rotation.decisions import (
    Policy,
    assess,
    not_granted,
    plan_restore,
    successor,
)
from ansible_collections.community.honeycomb.plugins.module_utils._rotation.jobs import Case, Job
from ansible_collections.community.honeycomb.plugins.module_utils._rotation.schedule import Rules, scheduled
from ansible_collections.community.honeycomb.plugins.module_utils._rotation.window import parse_window
from ansible_collections.community.honeycomb.plugins.module_utils._time import format_timestamp

NOW = datetime(2026, 2, 1, 12, tzinfo=timezone.utc)  # a Sunday
DAY = timedelta(days=1)
MARKS = Marks()
PRODUCTION = Environment("env", "Production", "production")

days = st.integers(0, 400).map(lambda number: number * DAY)


@given(days, days, days, st.none() | days, st.text(max_size=5))
def test_the_old_key_is_disabled_by_its_deadline(max_age: Any, overlap: Any, lead: Any, life: Any, name: str) -> None:
    ends = NOW + life if life is not None else None
    found = schedule_of(NOW, ends, max_age=max_age, overlap=overlap, lead=lead, identity=(name,))
    assert found.deadline == min(NOW + max_age, ends or NOW + max_age)
    assert NOW <= found.begins <= found.deadline
    if overlap <= max_age / 2 and life is None:
        assert found.begins + overlap <= found.deadline
        assert found.begins >= NOW + (max_age - overlap) * 5 / 8, "not more than lead and spread may take"


def test_keys_of_one_day_come_due_on_many_days() -> None:
    begins = [
        schedule_of(
            NOW, None, max_age=90 * DAY, overlap=DAY, lead=3 * DAY, identity=("env", "ingest", f"s{number}")
        ).begins
        for number in range(300)
    ]
    nights = Counter((moment - NOW).days for moment in begins)
    assert len(nights) >= 11
    assert max(nights.values()) < 50
    assert min(nights) >= 74, "90 d without the overlap, the lead, and an eighth"


def key(name: str, number: int, days_ago: float, disabled: bool = False, **more: Any) -> ApiKey:
    moment = format_timestamp(NOW - days_ago * DAY)
    return ApiKey(f"k{number}", name, "ingest", "env", disabled, created_at=moment, updated_at=moment, **more)


def case(position: int, name: str, days_ago: float, *others: ApiKey, **policy: Any) -> Case:
    wanted = Policy(**{"max_age": 90 * DAY, **policy})
    listing = [key(name, 100 + position, days_ago), *others]
    return Case(Job(position, name, "ingest", PRODUCTION, wanted), assess(name, listing, NOW, wanted, MARKS))


def test_a_key_with_a_time_to_live_is_renewed_before_it_ends() -> None:
    ends = format_timestamp(NOW + timedelta(hours=2))
    state = assess("job", [key("job", 1, 30, time_to_live=ends)], NOW, Policy(), MARKS)
    assert state.due
    assert state.reason == f"30 d old; its time to live ends at {ends}"
    renewed = successor(state, MARKS, NOW)
    assert renewed.time_to_live == format_timestamp(NOW + 30 * DAY + timedelta(hours=2))


def test_what_was_not_granted_is_noticed() -> None:
    asked = ApiKey(None, "a", "configuration", "env", True, {"send_events": True, "manage_boards": True})
    got = ApiKey("k1", "a", "configuration", "env", True, {"send_events": True, "manage_boards": False})
    assert not_granted(asked, got) == ["manage_boards"]
    assert not_granted(asked, asked) == []


def test_the_newest_generation_is_restored_whoever_touched_another_one() -> None:
    old = ApiKey("k1", "a [retired 20250701T000000Z off]", "ingest", "env", True, {}, "2025-01-01T00:00:00Z")
    touched = ApiKey(**{**vars(old), "updated_at": format_timestamp(NOW)})
    yesterday = ApiKey("k2", "a [retired 20260131T000000Z off]", "ingest", "env", True, {}, "2025-07-01T00:00:00Z")
    state = assess("a", [touched, yesterday, key("a", 3, 1)], NOW, Policy(), MARKS)
    plan = plan_restore(state, NOW, MARKS)
    assert plan
    assert plan.key
    assert plan.key.id == "k2"


@pytest.mark.parametrize(
    ("text", "moment", "opens"),
    [
        ("01:00-05:00", "2026-02-01T02:00:00Z", "2026-02-01T02:00:00Z"),
        ("01:00-05:00", "2026-02-01T05:00:00Z", "2026-02-02T01:00:00Z"),
        ("Mon-Thu 01:00 - 05:00", "2026-02-01T02:00:00Z", "2026-02-02T01:00:00Z"),
        ("sat,sun 22:00-04:00", "2026-02-02T03:59:59Z", "2026-02-02T03:59:59Z"),
        ("sat,sun 22:00-04:00", "2026-02-02T04:00:00Z", "2026-02-07T22:00:00Z"),
        ("fri-mon 00:00-24:00", "2026-02-04T00:00:00Z", "2026-02-06T00:00:00Z"),
        ("01:00-05:00 Europe/Berlin", "2026-02-01T00:00:00Z", "2026-02-01T00:00:00Z"),
        ("01:00-05:00 Europe/Berlin", "2026-07-01T03:00:00Z", "2026-07-01T23:00:00Z"),
    ],
)
def test_a_window(text: str, moment: str, opens: str) -> None:
    window = parse_window([text], "window")
    assert window
    at = datetime.fromisoformat(moment.replace("Z", "+00:00"))
    assert format_timestamp(window.opens(at)) == opens
    both = parse_window([text, "00:00-24:00"], "window")
    assert both
    assert both.opens(at) == at


@pytest.mark.parametrize("text", ["", "night", "mon", "foo 01:00-02:00", "01:00-25:00", "01:70-02:00", "24:00-01:00"])
def test_a_window_that_can_not_be_read(text: str) -> None:
    with pytest.raises(InputError, match="is not a window. Write days, hours and a time zone"):
        parse_window([text], "window")


def test_a_time_zone_that_is_not_known() -> None:
    with pytest.raises(InputError, match="the time zone 'Mars/Crater' is not known"):
        parse_window(["01:00-02:00 Mars/Crater"], "window")


def test_outside_of_the_window_only_what_is_urgent_is_due() -> None:
    rules = Rules(parse_window(["mon 01:00-05:00"], "window"))
    cases = [
        case(0, "old", 89),
        case(1, "late", 89.8),
        case(2, "forced", 1, force=True),
        case(3, "named", 89, by_hand=True),
    ]
    waits, late, forced, named = (entry.state for entry in scheduled(cases, NOW, rules))
    assert (waits.due, late.due, forced.due, named.due) == (False, False, True, True)
    assert "when the window opens at 2026-02-02T01:00:00Z" in waits.reason
    assert waits.upcoming[0] == (datetime(2026, 2, 2, 1, tzinfo=timezone.utc), "create a new key")
    assert (waits.findings, len(late.findings)) == ((), 1)
    assert "but the window opens only at 2026-02-02T01:00:00Z" in late.findings[0]


def test_so_many_a_run_the_oldest_first_and_what_failed_lately_last() -> None:
    failed = key("failing [stale 20260131T000000Z off]", 900, 1, disabled=True)
    cases = [
        case(0, "b", 88),
        case(1, "a", 89),
        case(2, "failing", 89.9, failed),
        case(3, "c", 89.5),
        case(4, "young", 5),
    ]
    done = scheduled(cases, NOW, Rules(most=2))
    assert [entry.job.name for entry in done if entry.state.due] == ["a", "c"]
    assert "but this run takes 2 and others are more urgent" in done[0].state.reason
    assert done[0].state.upcoming[0] == (NOW + DAY, "create a new key")
    reached = scheduled(cases, NOW, Rules(most=2), [0, 2])
    assert [entry.job.name for entry in reached if entry.state.due] == ["b", "a", "failing", "c"], (
        "the others don't count"
    )
    (later,) = [entry for entry in scheduled(cases, NOW, Rules(most=1)) if entry.job.name == "failing"]
    assert "with 1 keys a night it will not be" in later.state.findings[0]


def test_retries_pause_longer_each_time() -> None:
    def state(failures: int, hours: float, **policy: Any) -> Any:
        last = NOW - timedelta(hours=hours)
        left = [
            ApiKey(
                f"k{200 + number}",
                f"a [stale {last - number * DAY:%Y%m%dT%H%M%SZ}]",
                "ingest",
                "env",
                False,
                created_at=format_timestamp(last - number * DAY),
            )
            for number in range(failures)
        ]
        return case(0, "a", 60, *left, **policy).state

    assert state(1, 0.1).due, "mend it and run it again"
    assert [state(2, 1).due, state(2, 23).due] == [False, True]
    assert [state(3, 47).due, state(3, 71).due] == [False, True]
    paused = state(3, 1)
    assert "3 rotations failed and left enabled keys behind that a host may have" in paused.reason
    assert state(3, 1, by_hand=True).due
    assert state(3, 1, force=True).due


@given(st.integers(1, 200))
def test_failing_nights_leave_few_keys(nights: int) -> None:
    tries: list[datetime] = []
    for night in range(nights):
        now = NOW + night * DAY
        if not tries or now >= pause_after(len(tries), tries[-1]):
            tries.append(now)
    assert len(tries) <= 1 + math.ceil(math.log2(nights + 1)) + max(0, nights - 63) // 31


def test_a_table_of_many_keys_sorted_by_what_is_next() -> None:
    cases = [case(0, "young", 1), case(1, "due", 89), case(2, "older", 40)]
    lines = report.overview(cases, NOW)["report"]
    assert [line.split("'")[1] for line in lines] == ["due", "older", "young"]
    assert lines[0].startswith("2026-02-01T12:00:00Z  Ingest key 'due' of production: create a new key (89 d old")
    assert [row["name"] for row in report.plan(cases, NOW)] == ["due", "older", "young"]
