# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Creating a key exactly once, although the answer can be lost and the secret is in no other.

When an answer is lost, the listing decides: a key that was not there before, that is just what was asked for, and that
was created (by the service's clock) while the request was on its way, is ours. Its secret is gone, so it is discarded,
and the key is created again. Where more keys than lost requests fit, nobody can tell whose they are: nothing is touched.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta

from ._client import Client
from ._errors import AnswerLost, HoneycombError
from ._resources import ApiKey, CreatedKey, full_permissions
from ._time import format_timestamp, parse_timestamp

_TRIES = 3
# Clocks of one service differ a little, and its times have whole seconds.
_CLOCK_SLACK = timedelta(seconds=2)
# A request whose answer was lost may still be carried out while we look; seconds until we look again.
_SETTLE = 2.0


@dataclass(frozen=True)
class Leftovers:
    """What a listing says about lost create requests: keys that are ours, or keys nobody can tell apart."""

    ours: tuple[ApiKey, ...] = ()
    undecided: tuple[ApiKey, ...] = ()


def find_leftovers(
    wanted: ApiKey,
    before: t.Collection[str],
    listing: t.Iterable[ApiKey],
    since: datetime | None,
    lost: int,
    returned: str | None = None,
) -> Leftovers:
    """Decide which keys were made by lost requests.

    :param wanted: What was asked for.
    :param before: Ids that were there before the task began.
    :param listing: What is there now.
    :param since: The service's time when the first lost request was sent; C(None) where it never told its time.
    :param lost: How many requests were lost.
    :param returned: The id of a key whose value we hold.
    """

    def fits(key: ApiKey) -> bool:
        created = parse_timestamp(key.created_at)
        return (
            key.id not in before
            and key.id != returned
            and (key.name, key.key_type, key.environment_id, key.disabled)
            == (wanted.name, wanted.key_type, wanted.environment_id, wanted.disabled)
            and full_permissions(key) == full_permissions(wanted)
            and (since is None or created is None or created >= since - _CLOCK_SLACK)
        )

    found = tuple(key for key in listing if fits(key))
    return Leftovers(ours=found) if len(found) <= lost else Leftovers(undecided=found)


def create_once(
    client: Client,
    wanted: ApiKey,
    before: t.Collection[str],
    discard: t.Callable[[ApiKey], t.Any] | None = None,
) -> CreatedKey:
    """Create a key so that in the end there is one whose value we hold, or none.

    :param before: Ids of all keys of this type that were there when the task began.
    :param discard: What to do with a key whose secret was lost; it is deleted unless told otherwise.
    :raises HoneycombError: There is none, or the message names what is left. C(created) holds what we can hand back.
    """
    if discard is None:

        def discard(key: ApiKey) -> None:
            client.delete_key(str(key.id))

    label = f"{wanted.key_type} key {wanted.name!r}"
    since: datetime | None = None
    pending = 0
    for attempt in range(1, _TRIES + 1):
        if since is None and client.transport.knows_service_clock:
            since = client.transport.now().replace(microsecond=0)
        try:
            created = client.create_key(wanted)
        except AnswerLost as exc:
            pending += 1
            pending -= _reconcile(client, wanted, before, since, pending, discard, exc, None, label)
            if attempt == _TRIES:
                raise HoneycombError(
                    f"Creating the {label} failed: the answer was lost {attempt} times ({exc.message}) "
                    "No key made by it was found. Run it again when the service is well."
                ) from None
        except HoneycombError as exc:
            if pending:
                raise HoneycombError(f"{exc.message} {_may_be_left(label, since)}") from None
            raise
        else:
            if pending:
                # An earlier request may have been carried out after we looked.
                _reconcile(client, wanted, before, since, pending, discard, None, created, label)
            return created
    raise AssertionError("the loop returns or raises")


def _may_be_left(label: str, since: datetime | None) -> str:
    when = f" created after {format_timestamp(since)}" if since else ""
    return (
        f"A lost request may have created one {label}{when} whose secret nobody has: list the keys of this name and "
        "delete the one that is not in use."
    )


def _reconcile(
    client: Client,
    wanted: ApiKey,
    before: t.Collection[str],
    since: datetime | None,
    lost: int,
    discard: t.Callable[[ApiKey], t.Any],
    trouble: AnswerLost | None,
    created: CreatedKey | None,
    label: str,
) -> int:
    """Find and discard what lost requests left. Return how many were accounted for."""
    handed_back = [created.as_result()] if created else []
    try:
        returned = created.key.id if created else None
        leftovers = find_leftovers(wanted, before, client.list_keys(wanted.key_type), since, lost, returned)
        if not (leftovers.ours or leftovers.undecided):
            client.transport.budget.wait(_SETTLE, f"a lost request for the {label} that may still be carried out")
            leftovers = find_leftovers(wanted, before, client.list_keys(wanted.key_type), since, lost, returned)
    except HoneycombError as exc:
        raise HoneycombError(
            f"{trouble.message if trouble else 'Creating the ' + label + ' succeeded at last.'} Then the keys could not be "
            f"listed: {exc.message} {_may_be_left(label, since)}",
            created=handed_back,
        ) from None
    if leftovers.undecided:
        ids = ", ".join(str(key.id) for key in leftovers.undecided)
        raise HoneycombError(
            f"The answer to creating the {label} was lost, and it can't be told whose these keys are: {ids}. "
            "None was touched. Find the one whose value nobody has, and delete it.",
            created=handed_back,
        )
    for key in leftovers.ours:
        try:
            discard(key)
        except HoneycombError as exc:
            raise HoneycombError(
                f"The answer to creating the {label} was lost; key {key.id} was made, and nobody has its secret. "
                f"Removing it failed: {exc.message} Delete {key.id} by hand.",
                created=handed_back,
            ) from None
    return len(leftovers.ours)
