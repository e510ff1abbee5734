# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""The store ``ansible_vault``: as ``file``, with everything encrypted by ansible-core's own Vault.

Ansible's own code does the encryption. In a module it can't be imported: what Ansible sends along of itself hides the
rest of it. So it runs in a process of its own, one for each password in a task, which starts in half a second.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import typing as t
import weakref

from .._errors import InputError
from . import formats
from .file import FileStore
from .store import Sessions, StoreError

_HEADER = "$ANSIBLE_VAULT;"
_TAG = "!vault"

# Reads questions, one a line, and answers each with one. Its own input and output are closed to password scripts.
_PROGRAM = """
import json, os, sys

sys.path[:] = [folder for folder in sys.path if folder]  # the working folder may hold anything
asked, told = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
nothing = os.open(os.devnull, os.O_RDWR)
os.dup2(nothing, 0)
os.dup2(nothing, 1)


def tell(**answer):
    told.write(json.dumps(answer) + "\\n")
    told.flush()


question = json.loads(asked.readline())
try:
    from ansible.errors import AnsibleError
    from ansible.parsing.dataloader import DataLoader
    from ansible.parsing.vault import VaultLib, get_file_vault_secret
except Exception as exc:
    tell(error="import", text=str(exc) if isinstance(exc, ImportError) else type(exc).__name__)
    sys.exit()
try:
    secret = get_file_vault_secret(question["source"], vault_id=question["label"], loader=DataLoader())
    secret.load()
except Exception as exc:
    tell(error="password", text=getattr(exc, "message", "") or str(exc))
    sys.exit()
vault = VaultLib([(question["label"] or "default", secret)])
tell()
for line in asked:
    question = json.loads(line)
    try:
        if "encrypt" in question:
            tell(text=vault.encrypt(question["encrypt"], secret, question["label"]).decode())
        else:
            tell(text=str(vault.decrypt(question["decrypt"].encode()).decode()))
    except UnicodeError:
        tell(error="text")
    except AnsibleError:
        tell(error="refused")
"""


class AnsibleVaultStore(FileStore):
    """A file that is encrypted as a whole, or values that are encrypted within a YAML file.

    Where the format is yaml and the file is not encrypted as a whole, entries are ``!vault`` values in clear YAML. In
    any other format the whole file is encrypted. Pending and previous values always are.
    """

    type = "ansible_vault"

    def __init__(self, options: t.Mapping[str, t.Any], timeout: float, sessions: Sessions) -> None:
        super().__init__(options, timeout, sessions)
        label, source = parse_vault_id(options.get("vault_id"), options.get("vault_password_file"))
        self._vault = sessions.get((self.type, label, source), lambda: Vault(label, source, timeout))

    def _live(self, target: str, text: str, entries: t.Iterable[str]) -> dict[str, str | None]:
        if not self._inline(text):
            return super()._live(target, self._clear(target, text), entries)
        found = {}
        for entry in entries:
            with self._naming(target):
                value = formats.read_entry(text, self.format, entry, _TAG)
            if value and _is_encrypted(value):
                value = self._vault.decrypt(value.strip() + "\n", f"{target}, entry {entry},")
            found[entry] = value or None
        return found

    def _edited(self, target: str, text: str, values: t.Mapping[str, str]) -> str:
        if not self._inline(text):
            return self._vault.encrypt(super()._edited(target, self._clear(target, text), values), _label(text))
        for entry, value in values.items():
            with self._naming(target):
                old = formats.read_entry(text, self.format, entry, _TAG) or ""
                text = formats.write_entries(text, self.format, {entry: self._vault.encrypt(value, _label(old))}, _TAG)
        return text

    def _inline(self, text: str) -> bool:
        """Whether entries are encrypted, and not the file."""
        return self.format == "yaml" and not _is_encrypted(text)

    def _clear(self, target: str, text: str) -> str:
        """The text of a file that is encrypted as a whole."""
        if not text.strip():
            return ""
        if not _is_encrypted(text):
            raise StoreError(
                f"{target} is not encrypted. Encrypt it with 'ansible-vault encrypt', or use a store of type file. "
                "Nothing was written."
            )
        return self._vault.decrypt(text, target)

    def _opened(self, path: str, text: str | None) -> str | None:
        return self._vault.decrypt(text, path) if text and _is_encrypted(text) else text

    def _sealed(self, path: str, text: str) -> str:
        return self._vault.encrypt(text, None)


class Vault:
    """Ansible's Vault with one password, in a process that is started on first use and ends with this one.

    :param label: The vault id's label, or ``""``.
    :param source: A file with the password, or a script that prints it.
    :param timeout: Seconds that one answer may take.
    """

    def __init__(self, label: str, source: str, timeout: float) -> None:
        self._label = label
        self._source = source
        self._timeout = timeout
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        # Why it can't be started: a hundred places need not find out one after the other.
        self._broken: StoreError | None = None
        # The same file is read several times in a task.
        self._decrypted: dict[str, str] = {}

    def encrypt(self, text: str, label: str | None) -> str:
        """The text encrypted, in lines.

        :param label: The label in its first line; without one, that of the vault id.
        """
        answer = self._ask({"encrypt": text, "label": label or self._label or None})
        if "error" in answer:
            raise StoreError("Ansible's Vault did not encrypt a value. Nothing was written.")
        return str(answer["text"])

    def decrypt(self, text: str, where: str) -> str:
        """What a text was before it was encrypted.

        :param where: What the text is, for messages.
        """
        if text not in self._decrypted:
            answer = self._ask({"decrypt": text})
            if answer.get("error") == "text":
                raise StoreError(f"{where} can't be read: what is encrypted in it is not UTF-8 text.")
            if "error" in answer:
                own = f" It says that it was encrypted with the vault id {_label(text)}." if _label(text) else ""
                raise StoreError(
                    f"{where} can't be decrypted with the password of {self._name}.{own} Nothing was written. Name the "
                    "vault id, or the password file, that it was encrypted with."
                )
            self._decrypted[text] = str(answer["text"])
        return self._decrypted[text]

    @property
    def _name(self) -> str:
        return f"vault id {self._label} ({self._source})" if self._label else self._source

    def _ask(self, question: dict[str, t.Any]) -> dict[str, t.Any]:
        with self._lock:
            if self._process is None:
                if self._broken:
                    raise StoreError(self._broken.message)
                try:
                    self._start()
                except StoreError as exc:
                    self._broken = exc
                    raise
            return self._answer(question)

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            start_new_session=True,
        )
        weakref.finalize(self, _end, self._process)
        answer = self._answer({"source": self._source, "label": self._label or None})
        if "error" not in answer:
            return
        _end(self._process)
        self._process = None
        if answer["error"] == "import":
            raise StoreError(
                "a store of type ansible_vault needs ansible-core where the task runs, and it can't be used with "
                f"{sys.executable} ({answer['text']}). Run the task on the controller (delegate_to: localhost), with "
                "the Python that Ansible runs on (ansible_python_interpreter: '{{ ansible_playbook_python }}')."
            )
        raise StoreError(f"there is no password from {self._name}: {answer['text']}")

    def _answer(self, question: dict[str, t.Any]) -> dict[str, t.Any]:
        process = t.cast("subprocess.Popen[str]", self._process)
        # Pipes, since it was started that way.
        stdin, stdout = t.cast("t.IO[str]", process.stdin), t.cast("t.IO[str]", process.stdout)
        watch = threading.Timer(self._timeout, _kill, [process])
        watch.start()
        line = ""
        try:
            with contextlib.suppress(OSError):
                stdin.write(json.dumps(question) + "\n")
                stdin.flush()
                line = stdout.readline()
        finally:
            watch.cancel()
        if not line:
            _kill(process)
            _end(process)
            self._process = None
            raise StoreError(
                f"Ansible's Vault gave no answer within {self._timeout:g} s, with the password of {self._name}. "
                "Nothing was written. If that is a script, see whether it waits for something."
            )
        return t.cast("dict[str, t.Any]", json.loads(line))


def parse_vault_id(vault_id: str | None, password_file: str | None) -> tuple[str, str]:
    """The label, which may be empty, and the file or script that the password comes from.

    :raises InputError: There is no such file or script among the options.
    """
    label, at, source = (vault_id or "").partition("@")
    if not at:
        source = password_file or ""
    if source in ("prompt", "prompt_ask_vault_pass"):
        raise InputError("vault_id: a module can't prompt. Name a file or a script that gives the password.")
    if not source:
        raise InputError(
            f"vault_id: {label!r} is a label only. Write label@source, with a file or a script, or add "
            "vault_password_file."
            if label
            else "a store of type ansible_vault needs vault_id (label@source) or vault_password_file."
        )
    return label, os.path.abspath(os.path.expanduser(source))


def _is_encrypted(text: str) -> bool:
    return text.startswith(_HEADER)


def _label(text: str) -> str | None:
    """The label of the vault id that an encrypted text names."""
    parts = text.partition("\n")[0].strip().split(";")
    return parts[3] if _is_encrypted(text) and len(parts) > 3 else None


def _kill(process: subprocess.Popen[str]) -> None:
    """End a process, and a script that it may wait for."""
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)


def _end(process: subprocess.Popen[str]) -> None:
    """Let a process end by itself: it has nothing left to answer."""
    for stream in (process.stdin, process.stdout):
        if stream:
            with contextlib.suppress(OSError):
                stream.close()
    try:
        process.wait(1)
    except subprocess.TimeoutExpired:
        _kill(process)
        process.wait()
