# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""The store ``command``: a user's own programs that read and write. For those of presets, see ``presets.py``."""

from __future__ import annotations

import shlex
import shutil
import typing as t

from .._errors import InputError
from .programs import Ended, run
from .store import Held, Sessions, StoreError
from .telling import tell
from .texts import TextStore, read_held

_READERS = {"live": "read", "pending": "read_pending"}
_WRITERS = {"live": "write", "pending": "write_pending"}
COMMANDS = ("write", "read", "write_pending", "read_pending", "publish")
# How shells and programs that start others say that there is no such program, or that it can't be run
_NOT_RUN = (126, 127)


class CommandStore(TextStore):
    """The user's own programs.

    ``write`` takes the live value from standard input, ``read`` prints it; one final newline does not count. A ``read``
    that fails and prints nothing to standard output says that there is no value. ``write_pending`` and
    ``read_pending`` do the same with one line of JSON, ``{"id": ..., "value": ...}``; an empty text empties the slot.
    ``publish`` makes the pending value live, and leaves the pending slot as it is. What was live before is not kept.
    """

    type = "command"
    has_previous = False

    def __init__(self, options: t.Mapping[str, t.Any], timeout: float, sessions: Sessions) -> None:
        super().__init__(options, timeout, sessions)
        for name in ("write", "read"):
            if not options.get(name):
                raise InputError(f"store.{name} is missing: a store of type command needs write and read, or a preset.")
        for name in ("path", "entry", "owner", "group"):
            if options.get(name):
                raise InputError(
                    f"store.{name}: only presets of the store command have it. Name a preset, or leave it."
                )
        if bool(options.get("write_pending")) != bool(options.get("read_pending")):
            raise InputError("store.write_pending and store.read_pending belong together: give both of them, or none.")
        if options.get("publish") and not self.has_pending:
            raise InputError("store.publish needs write_pending and read_pending: it makes the pending value live.")

    @property
    def has_pending(self) -> bool:
        return bool(self.options.get("write_pending"))

    @property
    def identity(self) -> tuple[str, ...]:
        return ("command", *self.options["write"])

    def place(self, entry: str) -> str:
        return f"the command {shlex.join(self.options['write'])}"

    def probe(self, entries: t.Collection[str]) -> None:
        for name in COMMANDS:
            arguments = self.options.get(name)
            if arguments and not shutil.which(arguments[0]):
                raise StoreError(
                    f"{self.place('')}: the program {arguments[0]} of store.{name} was not found or can't be run.",
                    advice="Install it on the host of this task, or name it by its full path.",
                )
        self.read(entries)

    def get(self, slot: str) -> str | None:
        ended = self._run(_READERS[slot])
        if ended.code and (ended.output or ended.code < 0 or ended.code in _NOT_RUN):
            raise self._failed(_READERS[slot], ended, "What the place holds can't be told.")
        if ended.code:
            return None
        try:
            text = ended.output.decode()
        except UnicodeDecodeError:
            raise StoreError(
                f"{self.place('')}: what store.{_READERS[slot]} prints is no text in UTF-8.",
                advice="A value is one line of text. See what is stored there.",
            ) from None
        return text[:-1] if text.endswith("\n") else text

    def put(self, slot: str, text: str) -> None:
        ended = self._run(_WRITERS[slot], text)
        if ended.code:
            raise self._failed(_WRITERS[slot], ended, "The value may not have been written.", text)

    def go_live(self, new: Held) -> None:
        pending = read_held(self.get("pending")) if self.options.get("publish") else None
        if pending is None or pending.value != new.value:
            self.put("live", new.value)
            return
        ended = self._run("publish")
        if ended.code:
            raise self._failed("publish", ended, "The pending value may not be live.", new.value)

    def _run(self, option: str, given: str = "") -> Ended:
        return run(f"{self.place('')} (store.{option})", self.options[option], self.timeout, given.encode())

    def _failed(self, option: str, ended: Ended, state: str, value: str = "") -> StoreError:
        said = tell(ended.errors, [value, ended.output.decode(errors="replace")])
        return StoreError(
            f"{self.place('')}: the program {self.options[option][0]} of store.{option} {ended.how}. {said} {state}",
            advice="Run it by hand to see why, then run the task again.",
        )
