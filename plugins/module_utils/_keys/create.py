# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""Creating keys exactly once, although an answer can be lost and only that answer holds the secret.

What a lost request made is recognized in the listing: a key that was not there before, that is exactly what was asked
for, and that was created (by the service's clock) since the request was sent. Its secret is gone, so it is discarded
and the key is created again. Where more keys than lost requests fit, nobody can tell whose they are: none is touched.
"""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta

from .._api.client import Client
from .._api.creation import Creation, create_all
from .._api.resources import ApiKey, CreatedKey, granted_permissions
from .._errors import HoneycombError
from .._time import parse_timestamp

# The service's times have whole seconds, and its clocks differ a little.
_CLOCK_SLACK = timedelta(seconds=2)
# Seconds after which nothing more is expected of a lost request, where what it makes would be live. A key that is
# disabled harms nobody: no need to wait for it.
_LATE = 6.0


def may_be_ours(wanted: ApiKey, known: t.Container[str], key: ApiKey, since: datetime | None) -> bool:
    """Whether a listed key may have been made by a lost request.

    :param wanted: What was asked for.
    :param known: Ids that can't be: of keys that were there before, and of those whose value we hold.
    :param since: The service's time when the first lost request was sent; ``None`` where it never told its time.
    """
    created, expires = parse_timestamp(key.created_at), parse_timestamp(key.time_to_live)
    return (
        key.id not in known
        and _attributes(key) == _attributes(wanted)
        # The service does not always tell it.
        and (expires is None or expires == parse_timestamp(wanted.time_to_live))
        and (since is None or created is None or created >= since - _CLOCK_SLACK)
    )


def _attributes(key: ApiKey) -> tuple[t.Any, ...]:
    return (key.name, key.key_type, key.environment_id, key.disabled, granted_permissions(key))


def create_keys(
    client: Client,
    wanted: t.Sequence[ApiKey],
    before: t.Iterable[str],
    discard: t.Callable[[ApiKey], t.Any] | None = None,
    concurrency: int = 1,
) -> list[CreatedKey | HoneycombError]:
    """Create keys so that in the end each exists once, and we hold its value, or not at all.

    :param before: Ids of all keys of these types that were there when the task began.
    :param discard: What to do with a key whose secret was lost; by default it is deleted.
    :returns: For each key its value, or the failure, whose message names what is left and whose ``created`` holds what
        we can hand back.
    """
    known = set(before)
    discard = discard or (lambda key: client.delete_key(str(key.id)))
    types = {key.key_type for key in wanted}
    only = types.pop() if len(types) == 1 else None

    def creation(key: ApiKey) -> Creation[ApiKey, CreatedKey]:
        def send() -> CreatedKey:
            created = client.create_key(key)
            known.add(str(created.key.id))
            return created

        return Creation(
            label=f"{key.key_type} key {key.name!r}",
            send=send,
            fits=lambda found, since: may_be_ours(key, known, found, since),
            take=discard_quietly,
            look_back=0.0 if key.disabled else _LATE,
            advice="Nobody has its secret. Before you rerun, delete the key of this name that is not in use.",
            hand_back=lambda made: [made.as_result()],
        )

    def discard_quietly(key: ApiKey) -> None:
        discard(key)

    return create_all([creation(key) for key in wanted], lambda: client.list_keys(only), client.transport, concurrency)


def create_once(
    client: Client,
    wanted: ApiKey,
    before: t.Iterable[str],
    discard: t.Callable[[ApiKey], t.Any] | None = None,
) -> CreatedKey:
    """Create one key; see :func:`create_keys`.

    :raises HoneycombError: where there is none, or something is left.
    """
    (outcome,) = create_keys(client, [wanted], before, discard)
    if isinstance(outcome, HoneycombError):
        raise outcome
    return outcome
