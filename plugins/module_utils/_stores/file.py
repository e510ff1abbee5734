# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""The store ``file``: a file with one value, or with entries, and two files beside it for the other slots."""

from __future__ import annotations

import contextlib
import json
import os
import re
import typing as t

from .._errors import InputError
from . import files, formats
from .store import Held, Publication, Sessions, Slots, Store, StoreConflict, StoreError, id_note, noted_id, outgoing

PENDING = ".pending"
PREVIOUS = ".previous"
# What a file of ours holds about an entry: a value with its id, and the note of whose value is live
_Document = t.Mapping[str, t.Optional[str]]
_LIVE_ID = "live_id"
# These two are ours, whoever may have put a file there. Applications read the file itself, as whoever it belongs to.
_SLOT = files.Attributes(mode=0o600, fresh=True)


class FileStore(Store):
    """A file at ``path``.

    ``PATH.pending`` and ``PATH.previous`` hold ``{entry: {"id", "value"}}`` as JSON and are gone when they are empty.
    In ``PATH.previous`` there is also ``"live_id"``, the note of whose value is live where the value does not tell;
    after a first publication, which replaces nothing, only that. A symbolic link is written through: the two are beside
    the file that it leads to.

    What a killed process leaves, at each step of a :meth:`publish` that replaces a value: before ``PATH.previous`` is
    replaced, nothing; before ``PATH`` is, the live value a second time in ``PATH.previous``, and a note that is not
    about it. A later publication then does both again. Files are replaced as a whole, so none of them is ever half
    written.
    """

    type = "file"

    def __init__(self, options: t.Mapping[str, t.Any], timeout: float, sessions: Sessions) -> None:
        super().__init__(options, timeout, sessions)
        path = str(options["path"])
        if path.endswith((PENDING, PREVIOUS)):
            raise InputError(f"path: {path} ends like the files in which this store keeps other values. Name another.")
        if path.endswith("/") or "\0" in path:
            raise InputError(f"path: {path!r} is not the path of a file.")
        if not os.path.isabs(os.path.expanduser(path)):
            # A module and the lookup would each begin in another folder.
            raise InputError(
                f"path: {path} is relative. Begin it with a folder, such as {{{{ playbook_dir }}}}/{path}."
            )
        self.format = str(options["format"])
        try:
            formats.check_entry(self.format, self.entry)
        except formats.FormatError as exc:
            raise InputError(f"entry of {path}: {exc}") from None
        self._path = os.path.abspath(os.path.expanduser(path))
        self._attributes = files.Attributes(options.get("owner"), options.get("group"), parse_mode(options.get("mode")))

    @property
    def identity(self) -> tuple[str, ...]:
        return (self.type, self._target)

    @property
    def _target(self) -> str:
        """The file that is read and replaced, where the path is a symbolic link."""
        return os.path.realpath(self._path)

    def place(self, entry: str) -> str:
        return f"{self._path}#{entry}" if entry else self._path

    def probe(self, entries: t.Collection[str]) -> None:
        target = self._target
        files.check(target, self._attributes)
        for suffix in (PENDING, PREVIOUS):
            files.check(target + suffix, _SLOT)
        self.read(entries)
        # Whether there is room for the entries can only be told by trying, in memory.
        self._edited(target, self._text(target), dict.fromkeys(entries, "tried"))

    def read(self, entries: t.Collection[str]) -> dict[str, Slots]:
        target = self._target
        # In this order: whoever publishes and settles meanwhile leaves the new value in what is read later.
        pending, past = self._slot(target + PENDING), self._documents(target + PREVIOUS)
        live = self._live(target, self._text(target), entries)
        return {
            entry: Slots(
                live=live[entry],
                pending=pending.get(entry),
                previous=_held(past.get(entry, {})),
                live_id=noted_id(past.get(entry, {}).get(_LIVE_ID), live[entry]),
            )
            for entry in entries
        }

    def stage(self, values: t.Mapping[str, Held]) -> None:
        target = self._target
        with self._locked(target):
            pending = self._slot(target + PENDING)
            if {**pending, **values} != pending:
                self._write_slot(target + PENDING, {**pending, **values})

    def publish(self, values: t.Mapping[str, Publication]) -> None:
        target = self._target
        with self._locked(target):
            text = self._text(target)
            live = self._live(target, text, values)
            changed = {entry: value for entry, value in values.items() if live[entry] != value.new.value}
            for entry, value in changed.items():
                if live[entry] != value.expected:
                    raise StoreConflict(
                        f"{self.place(entry)} holds another value than before: somebody else changed it meanwhile. "
                        "Nothing was written. Run the task again."
                    )
            new = {entry: value.new.value for entry, value in changed.items()}
            edited = self._edited(target, text, new) if changed else text
            if any(live[entry] for entry in changed):
                self._keep(target + PREVIOUS, live, values)
                files.replace(target, edited, self._attributes)
                return
            if changed:
                files.replace(target, edited, self._attributes)
            # There is only the note to write, and the value is live: without it, Honeycomb is asked whose it is.
            with contextlib.suppress(StoreError):
                self._keep(target + PREVIOUS, live, values)

    def settle(self, key_ids: t.Mapping[str, str]) -> None:
        target = self._target
        if not os.path.lexists(target + PENDING):
            return
        with self._locked(target):
            pending = self._slot(target + PENDING)
            left = {entry: held for entry, held in pending.items() if key_ids.get(entry, "") != held.key_id}
            if left != pending:
                self._write_slot(target + PENDING, left)

    # -- the live file ---------------------------------------------------------------------------------------------

    def _text(self, target: str) -> str:
        """What the file holds; nothing where there is none."""
        return files.read(target) or ""

    def _live(self, target: str, text: str, entries: t.Iterable[str]) -> dict[str, str | None]:
        """The values of entries. An empty one is none."""
        with self._naming(target):
            return {entry: formats.read_entry(text, self.format, entry) or None for entry in entries}

    def _edited(self, target: str, text: str, values: t.Mapping[str, str]) -> str:
        """The text with other values, as the file has to hold it."""
        with self._naming(target):
            return formats.write_entries(text, self.format, values)

    @staticmethod
    @contextlib.contextmanager
    def _naming(target: str) -> t.Iterator[None]:
        try:
            yield
        except formats.FormatError as exc:
            raise StoreError(f"{target}: {exc} Nothing was written.") from None

    # -- the other slots -------------------------------------------------------------------------------------------

    def _keep(self, path: str, live: t.Mapping[str, str | None], values: t.Mapping[str, Publication]) -> None:
        """Put values that are about to be replaced into the previous slots, and note whose come instead of them."""
        before = self._documents(path)
        after = dict(before)
        for entry, publication in values.items():
            found, value, new = before.get(entry, {}), live[entry], publication.new
            if value is not None and value != new.value:
                found = {**found, **_document(outgoing(value, publication, found.get(_LIVE_ID), _held(found)))}
            note = id_note(new)
            if note:
                found = {**found, _LIVE_ID: note}
            if found:
                after[entry] = found
        if after != before:
            self._write_documents(path, after)

    def _slot(self, path: str) -> dict[str, Held]:
        slots = {entry: _held(found) for entry, found in self._documents(path).items()}
        return {entry: held for entry, held in slots.items() if held}

    def _write_slot(self, path: str, held: t.Mapping[str, Held]) -> None:
        self._write_documents(path, {entry: _document(found) for entry, found in held.items()})

    def _documents(self, path: str) -> dict[str, _Document]:
        """What a file of ours holds, by entry."""
        text = self._opened(path, files.read(path))
        if text is None:
            return {}
        try:
            found: dict[str, _Document] = json.loads(text)
            for document in found.values():
                texts = [document.get(_LIVE_ID, "")]
                if set(document) != {_LIVE_ID}:  # as a first publication leaves it
                    texts += [document["value"], document["id"] or ""]
                if not all(isinstance(one, str) for one in texts):
                    raise ValueError(path)
        except (ValueError, TypeError, KeyError, AttributeError):
            raise StoreError(
                f"{path} is not as this store writes it. If it is a file of your own, move it or name another path; if "
                "not, find out what changed it. Nothing was written."
            ) from None
        return found

    def _write_documents(self, path: str, documents: t.Mapping[str, _Document]) -> None:
        if not documents:
            files.remove(path)
            return
        files.replace(path, self._sealed(path, json.dumps(documents, indent=2) + "\n"), _SLOT)

    def _opened(self, path: str, text: str | None) -> str | None:
        """A slot's text as it was before it was sealed."""
        return text

    def _sealed(self, path: str, text: str) -> str:
        """A slot's text as it is written."""
        return text

    @contextlib.contextmanager
    def _locked(self, target: str) -> t.Iterator[None]:
        folder = os.path.dirname(target)
        files.make_folders(folder, self._attributes, self.timeout)
        with files.locked(folder, self.timeout):
            yield


def _document(held: Held) -> _Document:
    return {"id": held.key_id, "value": held.value}


def _held(document: _Document) -> Held | None:
    value = document.get("value")
    return None if value is None else Held(value, document.get("id"))


def parse_mode(given: t.Any) -> int | None:
    """A file's mode: a text of octal digits, or the number that YAML makes of such digits without quotes.

    :raises InputError: It is none. A number in decimal digits gives an odd mode, which is how it is noticed.
    """
    if given is None:
        return None
    mode = -1
    if isinstance(given, int) and not isinstance(given, bool):
        mode = given
    elif re.fullmatch(r"(?:0o)?[0-7]{3,4}", str(given)):
        mode = int(str(given).replace("o", ""), 8)
    # Neither special bits, nor a program, nor one who may write and not read.
    odd = mode & ~0o666 or any(mode >> bits & 0o6 == 0o2 for bits in (0, 3, 6))
    if mode < 0 or odd or not mode & 0o400:
        raise InputError(f"mode: {given!r} is not the mode of a file with values. Write one such as '0600', in quotes.")
    return mode
