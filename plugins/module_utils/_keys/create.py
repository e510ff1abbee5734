# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Creating a key exactly once, although the answer can be lost and the secret is in no other.

When an answer is lost, the listing decides: a key that was not there before, that is just what was asked for, and
that was created (by the service's clock) since the request was sent, is ours. Its secret is gone, so it is discarded,
and the key is created again. Where more keys than lost requests fit, nobody can tell whose they are: nothing is
touched.
"""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta

from .._api.client import Client
from .._api.resources import ApiKey, CreatedKey, granted_permissions
from .._errors import AnswerLost, HoneycombError
from .._time import format_timestamp, parse_timestamp

_TRIES = 3
# The service's times have whole seconds, and its clocks differ a little.
_CLOCK_SLACK = timedelta(seconds=2)
# A request whose answer was lost may still be carried out. Seconds until we look again before another try ...
_SETTLE = 2.0
# ... and seconds after which nothing more is expected of it, where what it makes would be live.
_LATE = 6.0


def find_leftovers(
    wanted: ApiKey, before: t.Collection[str], listing: t.Iterable[ApiKey], since: datetime | None
) -> list[ApiKey]:
    """The keys that lost requests may have made.

    :param wanted: What was asked for.
    :param before: Ids that can't be theirs: of keys that were there before, and of one whose value we hold.
    :param listing: What is there now.
    :param since: The service's time when the first of them was sent; C(None) where the service never told its time.
    """
    asked_for = _attributes(wanted)
    expiry = parse_timestamp(wanted.time_to_live)

    def fits(key: ApiKey) -> bool:
        created = parse_timestamp(key.created_at)
        expires = parse_timestamp(key.time_to_live)
        return (
            key.id not in before
            and _attributes(key) == asked_for
            # The service does not always tell it.
            and (expires is None or expires == expiry)
            and (since is None or created is None or created >= since - _CLOCK_SLACK)
        )

    return [key for key in listing if fits(key)]


def _attributes(key: ApiKey) -> tuple[t.Any, ...]:
    return (key.name, key.key_type, key.environment_id, key.disabled, granted_permissions(key))


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
    return _Creation(client, wanted, before, discard or (lambda key: client.delete_key(str(key.id)))).run()


class _Creation:
    """One key to create, and what became of the requests for it."""

    def __init__(
        self, client: Client, wanted: ApiKey, before: t.Collection[str], discard: t.Callable[[ApiKey], t.Any]
    ) -> None:
        self.client = client
        self.budget = client.transport.budget
        self.wanted = wanted
        self.before = before
        self.discard = discard
        self.label = f"{wanted.key_type} key {wanted.name!r}"
        # Requests of which it is not known whether they made a key, since when, and when the last of them was lost.
        self.lost = 0
        self.since: datetime | None = None
        self.lost_at = 0.0
        self.created: CreatedKey | None = None

    def run(self) -> CreatedKey:
        trouble = ""
        for attempt in range(1, _TRIES + 1):
            if not self.lost and self.client.transport.knows_service_clock:
                self.since = self.client.transport.now()
            try:
                self.created = self.client.create_key(self.wanted)
            except AnswerLost as exc:
                self.lost += 1
                self.lost_at = self.budget.clock()
                trouble = exc.message
                pause = _SETTLE if attempt < _TRIES else self._until_late()
                self._clean_up(f"The answer to creating the {self.label} was lost: {trouble}", pause)
            except HoneycombError as exc:
                if self.lost:
                    exc.message += f" {self._may_be_left()}"
                raise
            else:
                if self.lost:
                    story = f"The {self.label} was created, after an answer to it had been lost."
                    self._clean_up(story, self._until_late())
                return self.created
        outcome = self._may_be_left() if self.lost else "What the lost requests had made was removed."
        raise HoneycombError(f"Creating the {self.label} failed {_TRIES} times, the last time so: {trouble} {outcome}")

    def _until_late(self) -> float:
        """Seconds until nothing more is expected. A key that is disabled harms nobody: no need to wait for it."""
        return 0.0 if self.wanted.disabled else self.lost_at + _LATE - self.budget.clock()

    def _clean_up(self, story: str, pause: float) -> None:
        """Find and discard what lost requests made. Where something may be missing, look again after a pause."""
        try:
            found = self._look()
            if len(found) < self.lost and pause > 0:
                self.budget.wait(pause, f"a lost request for the {self.label} that may still be carried out")
                found = self._look()
        except HoneycombError as exc:
            raise self._failure(
                f"{story} Then looking for what it left failed: {exc.message} {self._may_be_left()}"
            ) from None
        ids = ", ".join(str(key.id) for key in found)
        if len(found) > self.lost:
            raise self._failure(
                f"{story} It can't be told whose these keys are: {ids}. None was touched. Find the one whose value "
                "nobody has, and delete it."
            )
        for key in found:
            try:
                self.discard(key)
            except HoneycombError as exc:
                raise self._failure(
                    f"{story} It had made {ids}, whose secret nobody has. Removing {key.id} failed: {exc.message} "
                    f"Delete by hand what is left of {ids}."
                ) from None
            self.lost -= 1

    def _look(self) -> list[ApiKey]:
        own = {self.created.key.id} if self.created else set()
        return find_leftovers(
            self.wanted, own.union(self.before), self.client.list_keys(self.wanted.key_type), self.since
        )

    def _failure(self, message: str) -> HoneycombError:
        return HoneycombError(message, created=[self.created.as_result()] if self.created else [])

    def _may_be_left(self) -> str:
        when = f" after {format_timestamp(self.since)}" if self.since else ""
        return (
            f"A lost request may have made one {self.label}{when} whose secret nobody has: look at the keys of this "
            "name, and delete the one that is not in use."
        )
