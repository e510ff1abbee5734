# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""What a rotation tells: rows for programs, lines for people, the two sides of a diff. None of them holds a secret."""

from __future__ import annotations

import typing as t
from datetime import datetime

from .._api.resources import ApiKey
from .._keys.generations import Generation
from .._keys.plan import Plan, about
from .._time import describe_seconds, format_timestamp, parse_timestamp
from .jobs import Case
from .promote import Promotion
from .survey import Failure


def overview(
    cases: t.Sequence[Case], now: datetime, *, brief: bool = False, failures: t.Sequence[Failure] = ()
) -> dict[str, t.Any]:
    """The state of every key, for programs and (``report``) for people.

    :param brief: Tell people only what is done now, or needs them.
    :param failures: Keys that could not be looked at.
    """
    lines = _brief(cases) if brief else _case_lines(cases[0], now) if len(cases) == 1 else _table(cases, now)
    blocked = [about(case.job.label, case.state.blocked) for case in cases if case.state.blocked]
    return {
        "rotations": [_case_row(case, now) for case in cases],
        "blocked": [*(failure.message for failure in failures), *blocked],
        "report": [*(f"stopped: {failure.message}" for failure in failures), *lines],
    }


def plan(cases: t.Sequence[Case], now: datetime) -> list[dict[str, t.Any]]:
    """What is next for each key, soonest first."""
    rows = [
        {
            "at": format_timestamp(at),
            "what": what,
            "name": case.job.name,
            "key_type": case.job.key_type,
            "environment": case.job.environment.label,
        }
        for case in cases
        for at, what in _next(case, now)
    ]
    return sorted(rows, key=lambda row: (row["at"], row["name"]))


def _next(case: Case, now: datetime) -> list[tuple[datetime, str]]:
    """When something is next done about a key, and what; empty where nothing may be done."""
    state = case.state
    if state.blocked:
        return []
    steps = [f"{_verb(step)} {step.key and step.key.id}" for step in state.steps]
    steps += ["create a new key"] if state.due else []
    return [(now, ", ".join(steps))] if steps else list(state.upcoming[:1])


def _table(cases: t.Sequence[Case], now: datetime) -> list[str]:
    """A line for each key: first what needs a person, then what is planned, soonest first."""
    stopped = [about(case.job.label, "; ".join(_matters(case))) for case in cases if case.state.blocked]
    notes = [
        about(case.job.label, f"note: {finding}")
        for case in cases
        if not case.state.blocked
        for finding in case.state.findings
    ]
    planned = [
        (at, about(case.job.label, f"{what} ({case.state.reason})")) for case in cases for at, what in _next(case, now)
    ]
    lines = [f"{format_timestamp(at)}  {text}" for at, text in sorted(planned)]
    return [*stopped, *notes, *lines]


def promotions(entries: t.Sequence[Promotion]) -> dict[str, t.Any]:
    """What became of each promoted key."""
    return {
        "promoted": [
            {
                "name": entry.staged.name,
                "new_id": entry.staged.new_id,
                "old_id": entry.staged.old_id,
                "steps": [_step_row(step) for step in entry.steps],
            }
            for entry in entries
        ],
        "report": [_promotion_line(entry) for entry in entries],
    }


def _promotion_line(entry: Promotion) -> str:
    overlap = entry.staged.overlap
    then = f"to be disabled after {describe_seconds(overlap.total_seconds())}" if overlap else "disabled"
    now_current = about(entry.staged.label, f"{entry.staged.new_id} is the current key")
    return "; ".join([now_current, *(f"{key.id} is {then}" for key in entry.replaced)])


def failures(entries: t.Iterable[Failure]) -> list[dict[str, t.Any]]:
    """What went wrong with single keys."""
    return [{"position": entry.position, "name": entry.name, "message": entry.message} for entry in entries]


def diff(before: t.Mapping[str, ApiKey], after: t.Mapping[str, ApiKey]) -> dict[str, dict[str, str]]:
    """Both sides, a line for each key."""

    def side(keys: t.Mapping[str, ApiKey]) -> dict[str, str]:
        return {label: f"{key.name} ({'disabled' if key.disabled else 'enabled'})" for label, key in keys.items()}

    return {"before": side(before), "after": side(after)}


def _step_row(step: Plan) -> dict[str, t.Any]:
    return {
        "action": step.action,
        "id": step.key.id if step.key else None,
        "changes": step.changes,
        "why": step.why,
    }


def _generation_row(entry: Generation, now: datetime) -> dict[str, t.Any]:
    created = parse_timestamp(entry.key.created_at)
    return {
        "id": entry.key.id,
        "name": entry.key.name,
        "kind": entry.kind,
        "stale": entry.stale,
        "enabled": entry.enabled,
        "created_at": entry.key.created_at,
        "since": format_timestamp(entry.since) if entry.since else None,
        "age": describe_seconds(max(0.0, (now - created).total_seconds())) if created else None,
    }


def _case_row(case: Case, now: datetime) -> dict[str, t.Any]:
    job, state = case.job, case.state
    return {
        "name": job.name,
        "key_type": job.key_type,
        "environment": job.environment.label,
        "due": state.due,
        "reason": state.reason,
        "blocked": state.blocked,
        "findings": list(state.findings),
        "generations": [_generation_row(entry, now) for entry in state.generations],
        "steps": [_step_row(step) for step in state.steps],
        "upcoming": [{"at": format_timestamp(at), "what": what} for at, what in state.upcoming],
    }


def _verb(step: Plan) -> str:
    if step.action == "delete":
        return "delete"
    return "disable" if step.changes.get("disabled") else "rename"


def _case_lines(case: Case, now: datetime) -> list[str]:
    """A table that a person can read."""
    job, state = case.job, case.state
    lines = [job.label[0].upper() + job.label[1:]]
    rows = [_generation_row(entry, now) for entry in state.generations]
    for row in rows:
        mark = "enabled" if row["enabled"] else "disabled"
        since = f", since {row['since']}" if row["since"] else ""
        stale = ", stale: never was the current key" if row["stale"] else ""
        lines.append(f"  {row['kind']:<9} {mark:<8} {row['id']}  created {row['age'] or '?'} ago{since}{stale}")
    if not rows:
        lines.append("  no key of this name")
    lines.extend(f"  {text}" for text in _matters(case))
    if state.blocked:
        return lines
    if not state.due and not state.steps:
        lines.append(f"  now: nothing ({state.reason})")
    lines.extend(f"  {format_timestamp(at)}: {what}" for at, what in state.upcoming)
    return lines


def _matters(case: Case) -> list[str]:
    """What is done about a key now, or needs a person."""
    job, state = case.job, case.state
    told = [f"note: {finding}" for finding in state.findings]
    if state.blocked:
        return [*told, f"stopped: {state.blocked}"]
    told += [f"now: {_verb(step)} {step.key and step.key.id} ({step.why})" for step in state.steps]
    if state.due:
        overlap = describe_seconds(job.policy.overlap.total_seconds()) if job.policy.overlap else ""
        after = f"disable the old one after {overlap}" if overlap else "disable the old one at once"
        grace = describe_seconds(job.policy.grace.total_seconds())
        new = f"go on with {state.continues.key.id}" if state.continues else "create a new key"
        told.append(f"now: {new}, deploy it everywhere, {after}, delete it {grace} later ({state.reason})")
    return told


def _brief(cases: t.Sequence[Case]) -> list[str]:
    """A line for each key about which there is something to say, and one for the others."""
    told = [(case, _matters(case)) for case in cases]
    lines = [about(case.job.label, "; ".join(texts)) for case, texts in told if texts]
    quiet = sum(1 for _case, texts in told if not texts)
    return [*lines, *([f"{quiet} of {len(cases)} keys: nothing to do"] if quiet else [])]
