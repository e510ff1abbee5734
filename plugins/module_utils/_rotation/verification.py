# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""Whether Honeycomb accepts a value: asked again and again, since how fast it spreads a change is not documented."""

from __future__ import annotations

import typing as t
from datetime import timedelta

from .._api.client import Client, ValueCheck, check_value
from .._errors import AnswerLost, HoneycombError, ServiceUnreachable
from .._http.transport import Transport
from .._time import describe_seconds
from .jobs import Staged

# Between two looks; seconds.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 3.0


def wait_until_accepted(client: Client, staged: Staged, patience: timedelta) -> str | None:
    """Wait until the value of a new key is accepted.

    :returns: How the key that it is accepted as differs from the one that it should be; ``None`` where all is well.
    :raises HoneycombError: It was not accepted in time.
    """
    answers: list[ValueCheck] = []

    def accepted(check: ValueCheck | None) -> bool:
        answers.extend([check] if check else [])
        return check is not None

    trouble = _poll(client.transport, str(staged.value), accepted, patience, "a new key to be accepted")
    if trouble is not None:
        raise HoneycombError(
            f"The value of key {staged.new_id}, the new {staged.label}, was not accepted within "
            f"{_told(patience)}{trouble}. The old key is unchanged, and the next run starts over with another new "
            "key. Check api_url, or raise verify_time."
        )
    return mismatch(answers[-1], staged, client.team)


def wait_until_refused(client: Client, staged: Staged, value: str, patience: timedelta) -> None:
    """Wait until the value of the replaced key is refused.

    :raises HoneycombError: It was still accepted in the end.
    """
    trouble = _poll(client.transport, value, lambda check: check is None, patience, "a disabled key to be refused")
    if trouble is not None:
        raise HoneycombError(
            f"Key {staged.old_id}, the old {staged.label}, is disabled, but after {_told(patience)} its value is "
            f"still accepted{trouble}. The new key {staged.new_id} is the current one and is deployed. Check that "
            f"old_key is the value of {staged.old_id}, then check it again later with honeycomb_auth_info."
        )


def mismatch(check: ValueCheck, staged: Staged, team: str | None) -> str | None:
    """How an accepted value differs from the key that it should belong to."""
    if check.key_type != staged.key_type:
        return f"as a {check.key_type} key instead of a {staged.key_type} one"
    if check.key_type == "ingest" and check.id != staged.new_id:
        return f"as key {check.id}"
    if check.team["slug"] != team:
        return f"for the team {check.team['slug']} instead of {team}"
    slug = staged.environment.slug
    if slug and check.environment["slug"] != slug:
        return f"for the environment {check.environment['slug']} instead of {slug}"
    return None


def _poll(
    transport: Transport, value: str, done: t.Callable[[ValueCheck | None], bool], patience: timedelta, reason: str
) -> str | None:
    """Ask about a value until the answer will do; ``None``, or when patience is over what was in the way."""
    clock = transport.budget.clock
    deadline = clock() + patience.total_seconds()
    pause = _FIRST_PAUSE
    while True:
        trouble = ""
        try:
            if done(check_value(transport, value, fresh=True)):
                return None
        except (AnswerLost, ServiceUnreachable) as exc:
            trouble = f" ({exc.message})"
        if clock() + pause > deadline:
            return trouble
        transport.budget.wait(pause, reason, expected=True)
        pause = min(pause * 2, _LONGEST_PAUSE)


def _told(patience: timedelta) -> str:
    return describe_seconds(patience.total_seconds())
