# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""The preset ``pass`` of the store ``command``: an entry of the standard Unix password manager."""

from __future__ import annotations

import os
import shutil
import typing as t

from .._errors import InputError
from .programs import Ended, run
from .store import Sessions, StoreError
from .telling import tell
from .texts import TextStore

_SLOTS = {"live": "", "pending": ".pending", "previous": ".previous"}
# Where a value is written before it takes the place of another one in one step: nobody ever reads half of it, and what
# is in the previous slot may be there only.
_NEW = ".new"
# Where it would ask for a passphrase it must fail: nobody is there to type one.
_GPG_OPTIONS = ("--batch", "--no-tty", "--pinentry-mode", "error")


class PassStore(TextStore):
    """``path`` is the name of an entry; the slots are entries beside it, ``PATH.pending`` and ``PATH.previous``.

    As is the custom with ``pass``, the value is the first line of its entry. The other lines are kept.
    """

    type = "command"

    def __init__(self, options: t.Mapping[str, t.Any], timeout: float, sessions: Sessions) -> None:
        super().__init__(options, timeout, sessions)
        for name in ("entry", "owner", "group"):
            if options.get(name):
                raise InputError(f"store.{name}: the preset pass has no such option. The entry is named by store.path.")
        if options.get("format") not in (None, "plain"):
            raise InputError("store.format: the preset pass knows plain only, since an entry is one value.")
        self._path = str(options["path"]).strip("/")
        self._folder = os.path.abspath(os.environ.get("PASSWORD_STORE_DIR") or os.path.expanduser("~/.password-store"))
        self._gpg_options = [*os.environ.get("PASSWORD_STORE_GPG_OPTS", "").split(), *_GPG_OPTIONS]
        self._other_lines = ""

    @property
    def identity(self) -> tuple[str, ...]:
        return ("command", "pass", self._folder, self._path)

    def place(self, entry: str) -> str:
        return f"the entry {self._path} of the password store {self._folder}"

    def probe(self, entries: t.Collection[str]) -> None:
        gpg = "gpg2" if shutil.which("gpg2") else "gpg"  # as pass chooses it
        for program in ("pass", gpg):
            if not shutil.which(program):
                raise StoreError(
                    f"{self.place('')}: the program {program} was not found.",
                    advice="Install it on the host of this task.",
                )
        self.read(entries)
        # Where there is no entry yet, only an attempt tells whether the key is there and can be used.
        start = [gpg, *self._gpg_options, "--quiet"]
        recipients = [f"--recipient={name}" for name in self._recipients()]
        encrypted = self._run("gpg --encrypt", [*start, *recipients, "--encrypt"], b"an attempt").output
        self._run("gpg --decrypt", [*start, "--decrypt"], encrypted)

    def get(self, slot: str) -> str | None:
        name = self._path + _SLOTS[slot]
        if not self._exists(f"{name}.gpg"):
            return None
        try:
            text = self._pass(["show"], name).output.decode()
        except UnicodeDecodeError:
            raise StoreError(
                f"{self.place('')}: the entry {name} is no text in UTF-8.",
                advice="See what is in it, and name another entry for the key.",
            ) from None
        if slot != "live":
            return text
        value, _newline, self._other_lines = text.partition("\n")
        return value

    def put(self, slot: str, text: str) -> None:
        name = self._path + _SLOTS[slot]
        if not text:
            self._pass(["rm", "--force"], name)
            return
        if slot == "live":
            text = f"{text}\n{self._other_lines}"
        if slot == "pending" or os.path.isdir(os.path.join(self._folder, name)):  # where pass would move the entry to
            self._insert(name, text)
        else:
            self._insert(name + _NEW, text)
            self._pass(["mv", "--force"], name + _NEW, name)

    def _exists(self, name: str) -> bool:
        return os.path.isfile(os.path.join(self._folder, name))

    def _recipients(self) -> list[str]:
        """Whom ``pass`` encrypts this entry for."""
        given = os.environ.get("PASSWORD_STORE_KEY", "").split()
        if given:
            return given
        folder = os.path.dirname(self._path)
        while folder and not self._exists(os.path.join(folder, ".gpg-id")):
            folder = os.path.dirname(folder)
        try:
            with open(os.path.join(self._folder, folder, ".gpg-id"), encoding="utf-8") as file:
                return [name for name in (line.partition("#")[0].strip() for line in file) if name]
        except OSError as exc:
            raise StoreError(
                f"{self.place('')}: there is no such password store, or its .gpg-id can't be read ({exc.strerror}).",
                advice="Set it up with pass init, or set PASSWORD_STORE_DIR to where it is.",
            ) from None

    def _insert(self, name: str, text: str) -> None:
        self._pass(["insert", "--multiline", "--force"], name, given=text)

    def _pass(self, command: list[str], *names: str, given: str = "") -> Ended:
        return self._run(f"pass {command[0]}", ["pass", *command, "--", *names], given.encode())

    def _run(self, what: str, arguments: list[str], given: bytes) -> Ended:
        environment = {"PASSWORD_STORE_DIR": self._folder, "PASSWORD_STORE_GPG_OPTS": " ".join(self._gpg_options)}
        ended = run(self.place(""), arguments, self.timeout, given, environment=environment)
        if ended.code:
            said = tell(ended.errors, [given.decode(errors="replace"), ended.output.decode(errors="replace")])
            raise StoreError(
                f"{self.place('')}: {what} {ended.how}. {said}",
                advice="The key of this password store has to be on the host of this task, for its user, and usable "
                "without a person: without a passphrase, or unlocked in gpg-agent.",
            )
        return ended
