# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""Creating resources exactly once, although the answer to a request can be lost.

A request whose answer is lost may have been carried out, and sending it again could make a second resource. So the
requests of a task are sent in rounds. After each round, one listing tells what the lost requests of this round made,
however many they are; what is still missing is sent again in the next round.

What a creation is about (a key, an environment) is in :class:`Creation`; see ``_keys/create.py`` and
``_environments/apply.py``.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from datetime import datetime

from .._errors import AnswerLost, HoneycombError
from .._http.transport import Transport
from .._parallel import in_parallel
from .._time import format_timestamp

_TRIES = 3
# A request whose answer was lost may still be carried out. Seconds until we look what it made, before another try.
_SETTLE = 2.0


class Identified(t.Protocol):
    """What is listed has an id."""

    @property
    def id(self) -> str | None: ...


Found = t.TypeVar("Found", bound=Identified)
Made = t.TypeVar("Made")


@dataclass
class Creation(t.Generic[Found, Made]):
    """One resource to create.

    :param label: What it is called in messages, for example ``ingest key 'checkout'``.
    :param send: Sends the request once.
    :param fits: Whether something that is listed now may have been made by a lost request. The time is the service's
        time when the first lost request was sent, or ``None`` where the service never told its time.
    :param take: What to do with what a lost request made: return it to adopt it, or discard it and return ``None``.
    :param look_back: Seconds after a lost request until nothing more is expected of it. Once the resource is created,
        they pass before the last look for duplicates. ``None`` where there can't be a duplicate.
    :param advice: What the user can do about a resource that may be left.
    :param hand_back: What a failure has to return of a resource that was created all the same.
    """

    label: str
    send: t.Callable[[], Made]
    fits: t.Callable[[Found, datetime | None], bool]
    take: t.Callable[[Found], Made | None]
    look_back: float | None
    advice: str
    hand_back: t.Callable[[Made], list[dict[str, t.Any]]] = field(default=lambda made: [])

    # Requests of which nobody knows what they made, since when (service time), and when the last one was lost.
    lost: int = field(default=0, init=False)
    since: datetime | None = field(default=None, init=False)
    lost_at: float = field(default=0.0, init=False)
    trouble: str = field(default="", init=False)
    made: Made | None = field(default=None, init=False)
    error: HoneycombError | None = field(default=None, init=False)

    @property
    def open(self) -> bool:
        return self.made is None and self.error is None

    def fail(self, message: str) -> None:
        self.error = HoneycombError(message, created=self.hand_back(self.made) if self.made is not None else [])

    def may_be_left(self) -> str:
        """What a lost request may have left, and what to do about it."""
        when = f" after {format_timestamp(self.since)}" if self.since else ""
        return f"A lost request may have made one {self.label}{when}. {self.advice}"

    def story(self) -> str:
        """Why there may be a duplicate."""
        if self.made is not None:
            return f"The {self.label} was created, after an earlier answer had been lost."
        return f"The answer to creating the {self.label} was lost: {self.trouble}"


def create_all(
    creations: t.Sequence[Creation[Found, Made]],
    look: t.Callable[[], t.Iterable[Found]],
    transport: Transport,
    concurrency: int = 1,
) -> list[Made | HoneycombError]:
    """Create resources so that in the end each exists once, and we know of it, or not at all.

    :param look: Lists what there is now.
    :returns: For each creation what was made, or the failure. The failure's message names what may be left.
    """
    for attempt in range(1, _TRIES + 1):
        in_parallel(
            lambda creation: _send(creation, transport), [entry for entry in creations if entry.open], concurrency
        )
        last = attempt == _TRIES
        _clean_up([entry for entry in creations if _has_to_look(entry)], look, transport, concurrency, last)
        if not any(entry.open for entry in creations):
            break
    for creation in creations:
        if creation.open:
            removed = "What the lost requests had made was removed. Run it again later."
            outcome = creation.may_be_left() if creation.lost else removed
            creation.fail(
                f"Creating the {creation.label} failed {_TRIES} times, the last time with: {creation.trouble} {outcome}"
            )
        elif creation.error is None and _has_to_look(creation):
            # It was looked for in vain. Should it come even later, nobody would know.
            transport.notes.append(
                f"The {creation.label} was created, but {creation.lost} of the requests for it had no answer, and what "
                f"became of them was not found. If a second key appears: {creation.advice}"
            )
    return [entry.error or t.cast(Made, entry.made) for entry in creations]


def _send(creation: Creation[Found, Made], transport: Transport) -> None:
    """Send the request once and note what became of it."""
    if not creation.lost and transport.knows_service_clock:
        creation.since = transport.now()
    try:
        creation.made = creation.send()
    except AnswerLost as exc:
        creation.lost += 1
        creation.lost_at = transport.budget.clock()
        creation.trouble = exc.cause
    except HoneycombError as exc:
        if creation.lost:
            exc.message += f" {creation.may_be_left()}"
        creation.error = exc
    except Exception as exc:  # pylint: disable=broad-except
        # Whatever it is, it must not take away what other creations made.
        creation.error = HoneycombError.defect(exc)


def _has_to_look(creation: Creation[Found, Made]) -> bool:
    if creation.error or not creation.lost:
        return False
    return creation.made is None or creation.look_back is not None


def _clean_up(
    suspects: t.Sequence[Creation[Found, Made]],
    look: t.Callable[[], t.Iterable[Found]],
    transport: Transport,
    concurrency: int,
    last: bool,
) -> None:
    """Look once for what the lost requests of all suspects made, and take it."""
    if not suspects:
        return

    def pause(creation: Creation[Found, Made]) -> float:
        final = last or creation.made is not None
        settled = (creation.look_back or 0.0) if final else _SETTLE
        return creation.lost_at + settled - transport.budget.clock()

    longest = max(suspects, key=pause)
    try:
        transport.budget.wait(pause(longest), f"a lost request for the {longest.label}, which may still be carried out")
        listing = list(look())
    except HoneycombError as exc:
        for creation in suspects:
            creation.fail(
                f"{creation.story()} Then looking for what it left failed: {exc.cause} {creation.may_be_left()}"
            )
        return
    in_parallel(lambda creation: _take(creation, listing), suspects, concurrency)


def _take(creation: Creation[Found, Made], listing: t.Sequence[Found]) -> None:
    """Adopt or discard what the lost requests for one resource made."""
    found = [entry for entry in listing if creation.fits(entry, creation.since)]
    ids = ", ".join(str(entry.id) for entry in found)
    if len(found) > creation.lost:
        creation.fail(
            f"{creation.story()} It is unclear which of these it made: {ids}. None was touched. {creation.advice}"
        )
        return
    for entry in found:
        try:
            adopted = creation.take(entry)
        except HoneycombError as exc:
            creation.fail(
                f"{creation.story()} It had made {ids}. Removing {entry.id} failed: {exc.message} {creation.advice}"
            )
            return
        creation.lost -= 1
        if creation.made is None:
            creation.made = adopted
