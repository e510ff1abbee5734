# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""Stores of one value whose slots are texts: what they have in common, and how a slot of ours is written."""

from __future__ import annotations

import json
import typing as t
from abc import abstractmethod

from .store import Held, Publication, Slots, Store, StoreConflict, id_note, noted_id, outgoing


def write_held(held: Held) -> str:
    """A value with its key's id, as one line of JSON."""
    return json.dumps({"id": held.key_id, "value": held.value})


def read_held(text: str | None) -> Held | None:
    """What :func:`write_held` wrote.

    A text that is something else, such as the half of a line that a killed program left, is as good as none: it is no
    value that anybody could use, and the next one must be able to take its slot.
    """
    try:
        found = json.loads(text or "")
        key_id = found["id"]
        return Held(str(found["value"]), None if key_id is None else str(key_id))
    except (ValueError, TypeError, KeyError):
        return None


def _write_past(previous: Held | None, note: str | None) -> str:
    """The previous value as :func:`write_held` does, and the note of whose value is live; either may be missing."""
    found = {} if previous is None else {"id": previous.key_id, "value": previous.value}
    return json.dumps({**found, "live_id": note} if note else found)


def _read_note(text: str | None) -> str | None:
    """The note that :func:`_write_past` wrote."""
    try:
        found = json.loads(text or "").get("live_id")
    except (ValueError, AttributeError):
        return None
    return found if isinstance(found, str) else None


def conflict(place: str) -> StoreConflict:
    """Another value is live than expected."""
    return StoreConflict(
        f"{place}: somebody else changed the value since this task has read it. Nothing was written there.",
        advice="Run the task again: it starts from what is there now.",
    )


class TextStore(Store):
    """One value. A derived class gets and puts texts; the slots are ``"live"``, ``"pending"`` and ``"previous"``.

    There is no check-and-set: another writer is noticed by a look at the live value just before it is replaced.
    """

    # Whether there is a slot for the value that was live before. The note of whose value is live is in it too.
    has_previous = True

    @abstractmethod
    def get(self, slot: str) -> str | None:
        """The text of a slot; ``None`` where there is none."""

    @abstractmethod
    def put(self, slot: str, text: str) -> None:
        """Write the text of a slot. An empty one stands for none."""

    def go_live(self, new: Held) -> None:
        """Make a value live. A derived class may have a better way than to put it."""
        self.put("live", new.value)

    def read(self, entries: t.Collection[str]) -> dict[str, Slots]:
        pending = read_held(self.get("pending")) if self.has_pending else None
        past = self.get("previous") if self.has_previous else None
        live = self.get("live") or None
        slots = Slots(live, pending, read_held(past), live_id=noted_id(_read_note(past), live))
        return dict.fromkeys(entries, slots)

    def stage(self, values: t.Mapping[str, Held]) -> None:
        if self.has_pending:
            for held in values.values():
                self.put("pending", write_held(held))

    def publish(self, values: t.Mapping[str, Publication]) -> None:
        for entry, publication in values.items():
            new = publication.new
            live = self.get("live") or None
            if live not in (new.value, publication.expected):
                raise conflict(self.place(entry))
            past = self.get("previous") if self.has_previous else None
            previous = read_held(past)
            # What stands in one slot only must not be overwritten first: a run may die in between.
            comes_back = previous is not None and previous.value == new.value
            if not comes_back:
                self._keep(past, live, publication)
            if live != new.value:
                self.go_live(new)
            if comes_back:
                self._keep(past, live, publication)

    def _keep(self, past: str | None, live: str | None, publication: Publication) -> None:
        """Put the value that is replaced, if one is, into the previous slot, and note whose comes instead.

        :param past: What the slot holds by now.
        """
        previous, note, new = read_held(past), _read_note(past), publication.new
        kept = outgoing(live, publication, note, previous) if live is not None and live != new.value else previous
        new_note = id_note(new) or note
        if self.has_previous and (kept, new_note) != (previous, note):
            self.put("previous", _write_past(kept, new_note))

    def settle(self, key_ids: t.Mapping[str, str]) -> None:
        if self.has_pending:
            for key_id in key_ids.values():
                pending = read_held(self.get("pending"))
                if pending and pending.key_id == key_id:
                    self.put("pending", "")
