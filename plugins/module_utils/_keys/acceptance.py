# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""Whether Honeycomb accepts a value: asked again and again, since how fast it spreads a change is not documented."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from datetime import timedelta

from .._api.client import Client, ValueCheck, check_value
from .._api.resources import Environment
from .._errors import AnswerLost, HoneycombError, ServiceUnreachable
from .._http.transport import Transport
from .._time import describe_seconds

# Between two looks; seconds.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 3.0


@dataclass(frozen=True)
class Claim:
    """A value, and the key that it should be the value of.

    :param label: The key in messages, such as "ingest key 'checkout' of production".
    """

    label: str
    key_id: str
    key_type: str
    environment: Environment
    value: str = field(repr=False)


def wait_until_accepted(client: Client, claim: Claim, patience: timedelta) -> str | None:
    """Wait until a value is accepted.

    :returns: How the key that it is accepted as differs from the one that it should be; ``None`` where all is well.
    :raises HoneycombError: It was not accepted in time. What that means is for the caller to add.
    """
    answers: list[ValueCheck] = []

    def accepted(check: ValueCheck | None) -> bool:
        answers.extend([check] if check else [])
        return check is not None

    trouble = _poll(client.transport, claim.value, accepted, patience, "a new key to be accepted")
    if trouble is not None:
        raise HoneycombError(
            f"Honeycomb did not accept its value within {describe_seconds(patience.total_seconds())}{trouble}.",
            advice="Check api_url, or raise verify_time.",
        )
    return mismatch(answers[-1], claim, client.team)


def wait_until_refused(client: Client, value: str, patience: timedelta) -> str | None:
    """Wait until the value of a disabled key is refused.

    :returns: ``None``, or when patience is over: how it ended, to go on after "its value is still accepted".
    """
    return _poll(client.transport, value, lambda check: check is None, patience, "a disabled key to be refused")


def mismatch(check: ValueCheck, claim: Claim, team: str | None) -> str | None:
    """How an accepted value differs from the key that it should belong to."""
    if check.key_type != claim.key_type:
        return f"as a {check.key_type} key instead of a {claim.key_type} one"
    if check.key_type == "ingest" and check.id != claim.key_id:
        return f"as key {check.id}"
    if check.team["slug"] != team:
        return f"for the team {check.team['slug']} instead of {team}"
    slug = claim.environment.slug
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
