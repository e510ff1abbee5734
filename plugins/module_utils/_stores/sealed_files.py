# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""The presets ``sops`` and ``systemd_creds`` of the store ``command``: files that a program encrypts and decrypts.

What is in clear goes through pipes only: it is edited in memory, and what is written to a file is encrypted.
"""

from __future__ import annotations

import os
import shutil
import typing as t
from abc import abstractmethod

from .._errors import InputError
from . import formats
from .file import FileStore
from .programs import Ended, run
from .store import Sessions, StoreError
from .telling import tell


class _SealedStore(FileStore):
    """As ``file``, with a program between the texts and the files; the two other slots are encrypted too."""

    type = "command"
    program: t.ClassVar[str]
    # What its program needs, for people
    advice: t.ClassVar[str]
    # The content of a file and its text: each is looked at twice, and a program may have to ask a server for a key.
    _last = ("", "")

    @abstractmethod
    def _seal(self, path: str, text: str) -> str:
        """The content of a file that is to hold this text."""

    @abstractmethod
    def _open(self, path: str, content: str) -> str:
        """The text of a file with this content."""

    def probe(self, entries: t.Collection[str]) -> None:
        if not shutil.which(self.program):
            raise StoreError(
                f"{self._path}: the program {self.program} was not found.",
                advice="Install it on the host of this task.",
            )
        super().probe(entries)

    def _live(self, target: str, text: str, entries: t.Iterable[str]) -> dict[str, str | None]:
        return super()._live(target, self._clear(target, text), entries)

    def _edited(self, target: str, text: str, values: t.Mapping[str, str]) -> str:
        return self._seal(target, super()._edited(target, self._clear(target, text), values))

    def _opened(self, path: str, text: str | None) -> str | None:
        return None if text is None else self._open(path, text)

    def _sealed(self, path: str, text: str) -> str:
        return self._seal(path, text)

    def _clear(self, target: str, content: str) -> str:
        if not content.strip():
            return ""
        if content != self._last[0]:
            self._last = (content, self._open(target, content))
        return self._last[1]

    def _run(self, path: str, arguments: list[str], given: str, folder: str | None = None) -> str:
        """Run the program on a text, and return the text that it prints."""
        ended = run(path, [self.program, *arguments], self.timeout, given.encode(), folder=folder)
        if ended.code:
            raise self._failed(path, arguments[0], ended, given)
        try:
            return ended.output.decode()
        except UnicodeDecodeError:
            raise StoreError(f"{path} can't be read: what is encrypted in it is not UTF-8 text.") from None

    def _failed(self, path: str, action: str, ended: Ended, given: str) -> StoreError:
        # Any part of a document may be a secret.
        said = tell(ended.errors, [given, ended.output.decode(errors="replace")])
        return StoreError(
            f"{path}: {self.program} {action} {ended.how}. {said} Nothing was written.", advice=self.advice
        )


class SopsStore(_SealedStore):
    """A file of SOPS: a value (format plain, which is SOPS's binary), or entries of an env, JSON or YAML file.

    Who can decrypt it is what the creation rules in ``.sops.yaml`` say about ``PATH``. The other slots are encrypted by
    the same rules, as if they were this file.
    """

    program = "sops"
    advice = (
        "The host of this task needs a creation rule in .sops.yaml for this path, and a key that decrypts it, such as "
        "that in SOPS_AGE_KEY_FILE. Try it by hand: sops decrypt."
    )
    _TYPES: t.ClassVar[dict[str, str]] = {"plain": "binary", "env": "dotenv", "json": "json", "yaml": "yaml"}

    def _edited(self, target: str, text: str, values: t.Mapping[str, str]) -> str:
        sealed = super()._edited(target, text, values)
        self._check_sealed(target, sealed, self.format, values)
        return sealed

    def _sealed(self, path: str, text: str) -> str:
        sealed = self._encrypt(text, "plain")
        self._check_sealed(path, sealed, "plain", [""])
        return sealed

    def _opened(self, path: str, text: str | None) -> str | None:
        return None if text is None else self._decrypt(path, text, "plain")

    def _seal(self, path: str, text: str) -> str:
        return self._encrypt(text, self.format)

    def _open(self, path: str, content: str) -> str:
        return self._decrypt(path, content, self.format)

    def _decrypt(self, path: str, content: str, format: str) -> str:
        kind = self._TYPES[format]
        return self._run(path, ["decrypt", "--input-type", kind, "--output-type", kind, "/dev/stdin"], content)

    def _encrypt(self, text: str, format: str) -> str:
        kind, target = self._TYPES[format], self._target
        folder = os.path.dirname(target)
        while not os.path.isdir(folder):
            folder = os.path.dirname(folder)
        arguments = ["encrypt", "--filename-override", target, "--input-type", kind, "--output-type", kind]
        # It looks for .sops.yaml from the folder where it runs.
        return self._run(target, [*arguments, "/dev/stdin"], text, folder)

    def _check_sealed(self, path: str, sealed: str, format: str, entries: t.Iterable[str]) -> None:
        """A rule may say that parts of a file stay in clear. A value must not."""
        for entry in entries:
            if format == "plain":  # which SOPS keeps in a field of a JSON document
                found = formats.read_entry(sealed, "json", "data")
            else:
                found = formats.read_entry(sealed, format, entry)
            if not (found or "").startswith("ENC["):
                raise StoreError(
                    f"{path}: by the creation rule for this file, SOPS leaves {entry or 'the value'} in clear. Nothing "
                    "was written.",
                    advice="Change the rule in .sops.yaml (encrypted_regex and the like), or name another entry.",
                )


class SystemdCredsStore(_SealedStore):
    """A credential as systemd's ``LoadCredentialEncrypted=`` takes it.

    Its name is ``entry``, or else the file's base name. The name belongs to what is encrypted: systemd refuses a
    credential under another one. Where a host has no key for this yet, its first use makes one, even to probe.
    """

    program = "systemd-creds"
    advice = (
        "Only root can use this host's key: run the task with become: true, on the host where the service runs. A file "
        "from another host, or with the name of another credential, can't be decrypted."
    )

    def __init__(self, options: t.Mapping[str, t.Any], timeout: float, sessions: Sessions) -> None:
        if options.get("format") not in (None, "plain"):
            raise InputError("store.format: the preset systemd_creds knows plain only: a credential is one value.")
        self._credential = str(options.get("entry") or "")
        super().__init__({**options, "entry": None}, timeout, sessions)

    def _seal(self, path: str, text: str) -> str:
        return self._run(path, ["encrypt", f"--name={self._name(path)}", "-", "-"], text)

    def _open(self, path: str, content: str) -> str:
        return self._run(path, ["decrypt", f"--name={self._name(path)}", "-", "-"], content)

    def _name(self, path: str) -> str:
        ending = path[len(self._target) :]
        return self._credential + ending if self._credential else os.path.basename(self._path) + ending
