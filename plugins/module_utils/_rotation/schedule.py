# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""Which of the keys that their age makes due are rotated in this run, and when the others are. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from .._time import format_timestamp
from .decisions import Assessment
from .jobs import Case
from .window import Window


@dataclass(frozen=True)
class Rules:
    """What holds for all keys of a run together. Keys that a person named, forced or continued keys do not wait.

    :param window: When keys may be rotated; ``None`` for always.
    :param most: How many keys a run may rotate because of their age; ``None`` for any number.
    """

    window: Window | None = None
    most: int | None = None


ANYTIME = Rules()


def scheduled(
    cases: t.Sequence[Case], now: datetime, rules: Rules, candidates: t.Collection[int] | None = None
) -> list[Case]:
    """The cases, with those that have to wait no longer due.

    :param candidates: The positions of the keys that could be rotated now; ``None`` for all. Only they count for
        ``most``.
    """
    waiting = {case.job.position: case for case in cases if case.state.due and not case.state.urgent}
    changed: dict[int, Case] = {}
    opens = rules.window.opens(now) if rules.window else now
    if opens > now:
        changed = {position: _until(case, opens) for position, case in waiting.items()}
    elif rules.most is not None:
        able = [case for position, case in waiting.items() if candidates is None or position in candidates]
        for number, case in enumerate(sorted(able, key=_precedence)[rules.most :]):
            days = 1 + number // max(rules.most, 1)
            changed[case.job.position] = _behind(case, rules.most, now + timedelta(days=days))
    return [changed.get(case.job.position, case) for case in cases]


def _precedence(case: Case) -> tuple[int, str, str]:
    """Those that failed lately come after the others, so that they don't take their place every night."""
    return len(_failures(case.state)), _begins(case), case.job.label


def _failures(state: Assessment) -> list[str]:
    current = state.current
    return [
        str(entry.key.id)
        for entry in state.generations
        if entry.stale and current is not None and entry.key.order > current.key.order
    ]


def _begins(case: Case) -> str:
    return format_timestamp(case.state.schedule.begins) if case.state.schedule else ""


def _until(case: Case, opens: datetime) -> Case:
    findings = case.state.findings
    schedule = case.state.schedule
    if schedule and schedule.deadline <= opens:
        findings = (
            *findings,
            (
                f"it should be disabled by {format_timestamp(schedule.deadline)}, but the window opens only at "
                f"{format_timestamp(opens)}. Widen the window, or rotate the key by hand with api_key_rotation_only."
            ),
        )
    return _later(
        case, opens, f"due ({case.state.reason}), when the window opens at {format_timestamp(opens)}", findings
    )


def _behind(case: Case, most: int, when: datetime) -> Case:
    reason = f"due ({case.state.reason}), but this run takes {most} and others are more urgent"
    findings, schedule = case.state.findings, case.state.schedule
    if schedule and schedule.deadline < when + case.job.policy.overlap:
        findings = (
            *findings,
            (
                f"it should be disabled by {format_timestamp(schedule.deadline)}, and with {most} keys a night it will "
                "not be. Raise api_key_rotation_most, or rotate it by hand with api_key_rotation_only."
            ),
        )
    return _later(case, when, reason, findings)


def _later(case: Case, when: datetime, reason: str, findings: tuple[str, ...]) -> Case:
    upcoming = tuple(sorted([*case.state.upcoming, (when, "create a new key")]))
    return replace(case, state=replace(case.state, due=False, reason=reason, upcoming=upcoming, findings=findings))
