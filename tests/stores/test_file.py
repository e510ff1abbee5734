# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store ``file``: what every store has to do, in each format, and what only files can get wrong."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import random
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.community.honeycomb.plugins.module_utils._errors import InputError
from ansible_collections.community.honeycomb.plugins.module_utils._stores.file import FileStore, parse_mode
from ansible_collections.community.honeycomb.plugins.module_utils._stores.opening import open_store
from ansible_collections.community.honeycomb.plugins.module_utils._stores.options import complete
from ansible_collections.community.honeycomb.plugins.module_utils._stores.store import (
    Held,
    Publication,
    Sessions,
    Slots,
    StoreConflict,
    StoreError,
)
from stores.conformance import ONE, THREE, TWO, StoreConformance
from tools.workspace import CACHE

ROOT = os.geteuid() == 0
NOBODY = 65534
# As sha256sum tells it
SHA256_OF_THREE = hashlib.sha256(THREE.value.encode()).hexdigest()


class _Files(StoreConformance):
    format = "plain"
    entries = {"one": "", "two": ""}

    def dictionary(self, entry: str) -> dict[str, Any]:
        path = f"{self.folder}/keys/{{name}}/live"
        return {"type": "file", "path": path, "format": self.format, "entry": self.entries[entry] or None}

    @property
    def path(self) -> Path:
        return self.folder / "keys" / self.key_name / "live"

    def look(self, entry: str) -> str | None:
        return self.value(self.entries[entry]) if self.path.exists() else None

    def value(self, entry: str) -> str | None:
        return self.path.read_text()

    def overwrite(self, entry: str, value: str) -> None:
        self.path.write_text(self.path.read_text().replace(str(self.look(entry)), value))

    def test_nothing_but_the_file_and_its_previous_value_is_left(self) -> None:
        self.bring_live(ONE)
        # The value of an ingest key says whose it is.
        assert os.listdir(self.path.parent) == ["live"]
        self.bring_live(TWO, ONE.value, ONE.key_id)
        assert sorted(os.listdir(self.path.parent)) == ["live", "live.previous"]
        assert "live_id" not in (self.path.parent / "live.previous").read_text()
        self.bring_live(THREE, TWO.value, TWO.key_id)
        note = json.loads((self.path.parent / "live.previous").read_text())[self.entries["one"]]
        assert note["live_id"] == f"{THREE.key_id} sha256:{SHA256_OF_THREE[:12]}"
        assert {stat.S_IMODE(path.stat().st_mode) for path in self.path.parent.iterdir()} == {0o600}

    def test_an_empty_file_holds_no_value(self) -> None:
        self.path.parent.mkdir(parents=True)
        self.path.write_text("")
        assert self.slots() == Slots()
        self.open().probe([self.open().entry])
        self.publish(ONE, None)
        assert self.look("one") == ONE.value

    def test_a_place_names_file_and_entry(self) -> None:
        store = self.open()
        assert store.place(store.entry) == str(self.path) + (f"#{store.entry}" if store.entry else "")


class TestPlain(_Files):
    pass


class TestEnv(_Files):
    format = "env"
    many = True
    entries = {"one": "HONEYCOMB_API_KEY", "two": "OTHER_KEY"}

    def value(self, entry: str) -> str | None:
        shell = ["sh", "-c", '. "$1"; eval "printf %s \\"\\$$2\\""', "sh", str(self.path), entry]
        return subprocess.run(shell, capture_output=True, check=True, text=True).stdout or None


class TestJson(_Files):
    format = "json"
    many = True
    entries = {"one": "app.honeycomb.key", "two": "app.other"}

    def document(self) -> Any:
        return json.loads(self.path.read_text())

    def value(self, entry: str) -> str | None:
        data = self.document()
        for key in entry.split("."):
            data = (data or {}).get(key)
        return None if data is None else str(data)


class TestYaml(TestJson):
    format = "yaml"

    def document(self) -> Any:
        return yaml.safe_load(self.path.read_text())


# -- one file ------------------------------------------------------------------------------------------------------


def store(path: Path | str, timeout: float = 10.0, **options: Any) -> FileStore:
    return FileStore({**complete({"type": "file", "path": str(path)}), "mode": None, **options}, timeout, Sessions())


def live(path: Path) -> FileStore:
    """A store whose file holds the first value."""
    found = store(path)
    found.publish({"": Publication(ONE)})
    return found


def replaced(found: FileStore) -> None:
    found.publish({"": Publication(TWO, ONE.value, ONE.key_id)})


def refused(message: str, *attempts: Callable[[], object]) -> None:
    """Each of the attempts fails with this message."""
    for attempt in attempts:
        with pytest.raises(StoreError, match=message):
            attempt()


def test_a_new_file_has_its_mode_and_owner(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        store(tmp_path / "default").publish({"": Publication(ONE)})
        store(tmp_path / "new" / "group", mode="0640", group=str(os.getegid())).publish({"": Publication(ONE)})
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "default").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "new" / "group").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o710, "the group that may read has to get there"


@pytest.mark.skipif(not ROOT, reason="only root can give files to others")
def test_a_file_and_new_folders_are_given_to_their_owner(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "key"
    found = store(path, owner=str(NOBODY), group=str(NOBODY))
    found.stage({"": ONE})
    found.publish({"": Publication(ONE)})
    for given in (path, path.parent, path.parent.parent):
        assert (given.stat().st_uid, given.stat().st_gid) == (NOBODY, NOBODY)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    slot = Path(f"{path}.pending")
    for _again in range(2):
        assert (slot.stat().st_uid, stat.S_IMODE(slot.stat().st_mode)) == (0, 0o600), "the slots are nobody else's"
        os.chown(slot, NOBODY, NOBODY)
        found.stage({"": TWO})


def test_a_file_keeps_mode_owner_and_attributes(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("old")
    path.chmod(0o644)
    if ROOT:
        os.chown(path, NOBODY, NOBODY)
    try:
        os.setxattr(path, "user.note", b"kept")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    store(path).publish({"": Publication(ONE, "old")})
    found = path.stat()
    assert path.read_text() == ONE.value
    assert stat.S_IMODE(found.st_mode) == 0o644
    assert found.st_uid == (NOBODY if ROOT else os.getuid())
    assert os.getxattr(path, "user.note") == b"kept"


def test_a_given_mode_is_for_existing_files_too(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("old")
    path.chmod(0o644)
    store(path, mode="0600").publish({"": Publication(ONE, "old")})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(not ROOT, reason="only root can give files to others")
def test_nobody_sees_a_value_under_another_mode_or_owner(tmp_path: Path) -> None:
    """A watcher looks at everything in the folder, all the time, while the file is written with an open umask."""
    path = tmp_path / "key"
    wrong: list[tuple[str, int, int]] = []
    seen: set[str] = set()
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for name in os.listdir(tmp_path):
                try:
                    found = os.stat(tmp_path / name)
                except FileNotFoundError:
                    continue
                seen.add(name)
                mode = stat.S_IMODE(found.st_mode)
                if name.startswith("key."):
                    right = (mode, found.st_uid) == (0o600, 0)
                else:
                    # The temporary of one of our own slots has their mode.
                    right = mode == 0o600 or (mode, found.st_uid) == (0o640, NOBODY)
                if not right and found.st_size or mode & 0o007:
                    wrong.append((name, mode, found.st_uid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    old = os.umask(0)
    try:
        held: str | None = None
        for number in range(150):
            value = f"value-{number}"
            store(path, owner=str(NOBODY), mode="0640").publish({"": Publication(Held(value), held)})
            held = value
    finally:
        os.umask(old)
        stop.set()
        watcher.join()
    assert not wrong
    assert any(name.startswith(".honeycomb-") for name in seen), "the watcher was too slow to tell anything"


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to("real/key")
    found = live(link)
    found.stage({"": TWO})
    replaced(found)
    assert link.is_symlink()
    assert (tmp_path / "real" / "key").read_text() == TWO.value
    assert sorted(os.listdir(tmp_path / "real")) == ["key", "key.pending", "key.previous"]
    assert store(tmp_path / "real" / "key").identity == found.identity
    assert store(tmp_path / "real" / "key").read([""])[""].previous == ONE


def test_a_link_in_the_place_of_a_slot_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("{}")
    (tmp_path / "key.pending").symlink_to("other")
    with pytest.raises(StoreError, match="symbolic link"):
        store(tmp_path / "key").stage({"": ONE})
    assert (tmp_path / "other").read_text() == "{}"


def test_other_entries_and_comments_stay(tmp_path: Path) -> None:
    path = tmp_path / "vars.yml"
    path.write_text("# mine\na: 'x'  # keep\n\nhoneycomb:\n  key: old\n")
    store(path, format="yaml", entry="honeycomb.key").publish({"honeycomb.key": Publication(ONE, "old")})
    assert path.read_text() == f"# mine\na: 'x'  # keep\n\nhoneycomb:\n  key: {ONE.value}\n"


# -- several processes, and killed ones ----------------------------------------------------------------------------

# Opens the store of a file in a process of its own; {} is what it does.
PROGRAM = """
import os, signal, sys
import encodings.idna, fcntl, grp, pwd, json, yaml
from ansible_collections.community.honeycomb.plugins.module_utils._stores.opening import open_store
from ansible_collections.community.honeycomb.plugins.module_utils._stores.options import complete
from ansible_collections.community.honeycomb.plugins.module_utils._stores.store import *

def store(path, **options):
    return open_store({**complete({"type": "file", "path": path, **options}), "mode": None}, 20.0, Sessions())

"""


def start(body: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM + body, *arguments],
        env={**os.environ, "PYTHONPATH": str(CACHE / "working-tree")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_two_processes_lose_nothing_of_each_other(tmp_path: Path) -> None:
    path = tmp_path / "shared.env"
    body = """
entry, held = sys.argv[2], None
for number in range(50):
    found = store(sys.argv[1], format="env", entry=entry)
    new = Held("%s-%d" % (entry, number), "id-%d" % number)
    found.stage({entry: new})
    found.publish({entry: Publication(new, held)})
    held = new.value
    slots = found.read([entry])[entry]
    assert (slots.live, slots.pending) == (held, new), slots
"""
    workers = [start(body, str(path), entry) for entry in ("ONE", "TWO")]
    for worker in workers:
        output, _nothing = worker.communicate(timeout=60)
        assert worker.returncode == 0, output
    assert sorted(path.read_text().split()) == ["ONE=ONE-49", "TWO=TWO-49"]


def test_a_killed_writer_leaves_a_whole_value(tmp_path: Path) -> None:
    path = tmp_path / "key"
    body = """
found, held = store(sys.argv[1]), None
print("ready", flush=True)
held = found.read([""])[""].live
number = 0
while True:
    new = Held(("%d-" % (number % 7)) * 2000, "id")
    found.stage({"": new})
    found.publish({"": Publication(new, held)})
    held, number = new.value, number + 1
"""
    valid = {f"{number}-" * 2000 for number in range(7)}
    chance = random.Random(8)
    found: set[str] = set()
    for _round in range(15):
        worker = start(body, str(path))
        assert worker.stdout and worker.stdout.readline() == "ready\n"
        time.sleep(chance.uniform(0.01, 0.05))
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        worker.stdout.close()
        slots = store(path).read([""])[""]
        if slots.live is not None:
            found.add(slots.live)
        for held in (slots.pending, slots.previous):
            assert held is None or held.value in valid
    assert found
    assert found <= valid
    store(path).stage({"": ONE})
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")], "what killed writers left stays"


def dying(steps: int) -> Callable[[], int]:
    """In a forked process: it is gone before the given call that changes or opens a file. Count what there was."""
    count = 0

    def wrap(name: str) -> None:
        real = getattr(os, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            if count == steps:
                os._exit(99)
            return real(*args, **kwargs)

        setattr(os, name, call)

    for name in ("open", "replace", "unlink", "fsync", "fchmod", "mkdir", "chmod", "rename"):
        wrap(name)
    return lambda: count


def test_a_publication_can_die_before_any_step_and_be_repeated(tmp_path: Path) -> None:
    """Each call that changes something is the last one once. Whatever was there, what is live is whole and known."""
    steps, status = 0, 99
    while status == 99:
        steps += 1
        path = tmp_path / str(steps) / "key"
        live(path).settle({"": str(ONE.key_id)})
        store(path).stage({"": TWO})
        child = os.fork()
        if not child:
            dying(steps)
            try:
                replaced(store(path))
            except BaseException:
                os._exit(1)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        slots = store(path).read([""])[""]
        assert slots.live in (ONE.value, TWO.value)
        assert slots.pending == TWO
        if slots.live == TWO.value:
            assert slots.previous == ONE, "the value that was live before is lost"
        replaced(store(path))
        slots = store(path).read([""])[""]
        assert (slots.live, slots.previous) == (TWO.value, ONE)
        store(path).settle({"": str(TWO.key_id)})
        assert sorted(os.listdir(path.parent)) == ["key", "key.previous"]
    assert status == 0
    assert steps > 10, "the sweep saw too little"


@pytest.mark.skipif(not ROOT, reason="only root can give files to others")
def test_a_folder_is_complete_or_not_there(tmp_path: Path) -> None:
    """A run that dies while it creates folders leaves none that the owner of the file can't enter."""
    steps, status = 0, 99
    while status == 99:
        steps += 1
        path = tmp_path / str(steps) / "new" / "key"
        path.parent.parent.mkdir()
        child = os.fork()
        if not child:
            dying(steps)
            try:
                store(path, owner=str(NOBODY)).stage({"": ONE})
            except BaseException:
                os._exit(1)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        store(path, owner=str(NOBODY)).stage({"": ONE})
        assert path.parent.stat().st_uid == NOBODY
    assert status == 0
    assert steps > 5, "the sweep saw too little"


# -- what can be wrong ---------------------------------------------------------------------------------------------


def test_a_lock_is_waited_for_and_not_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "key"
    live(path)
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        begin = time.monotonic()
        with pytest.raises(StoreError, match="locked by another process"):
            replaced(store(path, timeout=0.3))
        assert 0.3 <= time.monotonic() - begin < 3
        assert store(path).read([""])[""].live == ONE.value, "readers need no lock"
        timer = threading.Timer(0.2, fcntl.flock, [folder, fcntl.LOCK_UN])
        timer.start()
        replaced(store(path))
        timer.join()
    finally:
        os.close(folder)
    assert path.read_text() == TWO.value


def test_a_file_system_without_locks_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: Any) -> None:
        raise OSError(errno.ENOTSUP, "not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    replaced(live(tmp_path / "key"))
    assert (tmp_path / "key").read_text() == TWO.value


def fill(path: Path) -> None:
    """Write until there is no room left."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as filler:
        while True:
            filler.write(b"x" * 4096)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with no room left, in which a value is live."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a full disk: no file system can be mounted here")
    try:
        live(folder / "key")
        fill(folder / "filler")
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_told_and_nothing_is_lost(full_disk: Path) -> None:
    found = store(full_disk / "key")
    with pytest.raises(StoreError, match="disk is full"):
        found.probe([""])
    full = r"can't be written: the disk is full\. Nothing was changed"
    refused(full, lambda: found.stage({"": TWO}), lambda: replaced(found))
    assert (full_disk / "key").read_text() == ONE.value
    assert sorted(os.listdir(full_disk)) == ["filler", "key"]
    assert found.read([""])[""] == Slots(ONE.value, live_id=ONE.key_id)
    (full_disk / "filler").unlink()
    found.probe([""])
    replaced(found)
    assert (full_disk / "key").read_text() == TWO.value


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user can reach."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


def as_nobody(path: Path, body: str) -> str:
    """What an unprivileged process says: the message of its StoreError, or nothing."""
    drop = f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n" if ROOT else ""
    opened = "found = store(sys.argv[1])\nfound.identity\n"
    tried = "".join(f"    {line}\n" for line in body.splitlines())
    worker = start(f"{opened}{drop}try:\n{tried}except StoreError as exc:\n    print(exc)\n", str(path))
    output, _nothing = worker.communicate(timeout=60)
    assert worker.returncode == 0, output
    return output


@pytest.mark.parametrize(
    "body",
    [
        'found.probe([""])',
        'found.stage({"": Held("new")})',
        'found.publish({"": Publication(Held("new"))})',
    ],
)
@pytest.mark.parametrize("name", ["key", "missing/key"])
def test_a_folder_without_permission_is_told(open_folder: Path, name: str, body: str) -> None:
    open_folder.chmod(0o555)
    try:
        assert "has no permission for" in as_nobody(open_folder / name, body)
        assert os.listdir(open_folder) == []
    finally:
        open_folder.chmod(0o755)


@pytest.mark.skipif(not ROOT, reason="needs files of another user")
def test_an_unprivileged_user_is_told_what_he_may_not(open_folder: Path) -> None:
    mine = open_folder / "mine"
    mine.mkdir()
    os.chown(mine, NOBODY, NOBODY)
    assert as_nobody(mine / "key", 'found.probe([""]); found.publish({"": Publication(Held("new"))})') == ""
    assert (mine / "key").read_text() == "new"

    os.chown(mine / "key", 0, NOBODY)
    (mine / "key").chmod(0o640)
    for body in ('found.probe([""])', 'found.publish({"": Publication(Held("newer"), "new")})'):
        assert "only root can give files to others" in as_nobody(mine / "key", body)
    (mine / "key").chmod(0o600)
    assert "can't be read: the user of this task" in as_nobody(mine / "key", 'found.read([""])')
    assert (mine / "key").read_text() == "new"

    for options, message in (("owner='root'", "only root"), ("group='root'", "is not in it")):
        body = f"store(sys.argv[1] + '2', {options}).probe([''])"
        assert message in as_nobody(mine / "key", body)

    sticky = open_folder / "sticky"
    sticky.mkdir()
    sticky.chmod(0o1777)
    (sticky / "key").write_text("old")
    (sticky / "key").chmod(0o644)
    body = f"store(sys.argv[1], owner='{NOBODY}', group='{NOBODY}').probe([''])"
    assert "is sticky" in as_nobody(sticky / "key", body)


def test_a_read_only_file_system_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "ro"
    folder.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a read-only file system: none can be mounted here")
    try:
        refused("the file system is read-only", lambda: store(folder / "key").probe([""]), lambda: live(folder / "key"))
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _folder(path: Path) -> None:
    path.mkdir()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _latin(path: Path) -> None:
    path.write_bytes(b"caf\xe9")


def _circle(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_folder, "is a folder"),
        (_pipe, "not a regular file"),
        (_latin, "not UTF-8"),
        (_circle, "symbolic link"),
    ],
)
def test_a_path_that_is_no_file_of_text(tmp_path: Path, make: Callable[[Path], None], message: str) -> None:
    path = tmp_path / "key"
    make(path)
    found = store(path)
    attempts = [lambda: found.probe([""]), lambda: found.read([""]), lambda: found.publish({"": Publication(ONE)})]
    refused(rf"{path}.*(?:{message})", *attempts)


def test_a_path_below_a_file_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = store(tmp_path / "file" / "key")
    refused("not a folder", lambda: found.probe([""]), lambda: found.read([""]), lambda: found.stage({"": ONE}))


@pytest.mark.parametrize("option", ["owner", "group"])
def test_an_unknown_owner_is_told_before_anything_is_written(tmp_path: Path, option: str) -> None:
    options: dict[str, Any] = {option: "no-such-name"}
    found = store(tmp_path / "key", **options)
    refused("there is no such", lambda: found.probe([""]), lambda: found.publish({"": Publication(ONE)}))
    assert os.listdir(tmp_path) == []


def test_a_document_without_room_is_told_by_probing(tmp_path: Path) -> None:
    path = tmp_path / "vars.yml"
    path.write_text("a: &a 1\nb: *a\n")
    for entry in ("a", "a.b"):
        with pytest.raises(StoreError, match=r"vars\.yml: the entry .* Nothing was written"):
            store(path, format="yaml", entry=entry).probe([entry])


@pytest.mark.parametrize(
    "text",
    ["", "not JSON", "[]", '{"": 1}', '{"": {"value": 1, "id": null}}', '{"": {"id": null}}', '{"": {"live_id": 1}}'],
)
@pytest.mark.parametrize("slot", ["pending", "previous"])
def test_a_slot_that_somebody_else_wrote_is_refused(tmp_path: Path, slot: str, text: str) -> None:
    path = tmp_path / "key"
    live(path)
    (tmp_path / f"key.{slot}").write_text(text)
    with pytest.raises(StoreError, match=f"key.{slot} is not as this store writes it"):
        store(path).probe([""])
    with pytest.raises(StoreError, match="is not as this store writes it"):
        store(path).read([""])


def test_a_failed_write_leaves_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = live(tmp_path / "key")

    def fail(*_arguments: Any) -> None:
        raise OSError(errno.EBUSY, "busy")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(StoreError, match="mount point"):
        found.stage({"": TWO})
    assert sorted(os.listdir(tmp_path)) == ["key"]


def test_a_conflict_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "key"
    found = live(path)
    path.write_text("somebody else's")
    with pytest.raises(StoreConflict, match="somebody else changed it"):
        replaced(found)
    assert sorted(os.listdir(tmp_path)) == ["key"]
    assert path.read_text() == "somebody else's"
    assert found.read([""])[""] == Slots("somebody else's")


def test_a_note_that_cant_be_written_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The value is live, which is what matters. Honeycomb tells whose it is."""
    path = tmp_path / "key"
    real = os.replace

    def fail(source: str, target: str) -> None:
        if target.endswith(".previous"):
            raise OSError(errno.ENOSPC, "full")
        real(source, target)

    monkeypatch.setattr(os, "replace", fail)
    found = store(path)
    found.publish({"": Publication(THREE)})
    assert found.read([""])[""] == Slots(THREE.value)
    assert os.listdir(tmp_path) == ["key"]
    monkeypatch.undo()
    found.publish({"": Publication(THREE, THREE.value)})
    assert found.read([""])[""] == Slots(THREE.value, live_id=THREE.key_id)


@pytest.mark.parametrize(
    "note", ["", THREE.key_id, f"{THREE.key_id} sha256:", " sha256:0", "sha256:" + SHA256_OF_THREE]
)
def test_a_note_that_says_nothing_about_the_value_is_none(tmp_path: Path, note: str) -> None:
    path = tmp_path / "key"
    found = store(path)
    found.publish({"": Publication(THREE)})
    path.with_name("key.previous").write_text(json.dumps({"": {"live_id": note}}))
    assert found.read([""])[""] == Slots(THREE.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "/x/key.pending"}, "ends like"),
        ({"path": "/x/key.previous"}, "ends like"),
        ({"path": "/x/"}, "not the path of a file"),
        ({"path": "keys/x"}, "is relative. Begin it with a folder, such as {{ playbook_dir }}/keys/x."),
        ({"path": "/x/a\0b"}, "not the path of a file"),
        ({"path": "/x", "entry": "A"}, "holds one value"),
        ({"path": "/x", "format": "env"}, "needs entry"),
        ({"path": "/x", "format": "env", "entry": "A-B"}, "not the name of an environment variable"),
        ({"path": "/x", "format": "json", "entry": "a..b"}, "empty key"),
        ({"path": "/x", "mode": "0777"}, "mode"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        FileStore(complete({"type": "file", **options}), 10.0, Sessions())


@pytest.mark.parametrize(
    ("given", "mode"),
    [("0600", 0o600), ("600", 0o600), ("0o640", 0o640), (0o640, 0o640), ("0444", 0o444), (None, None)],
)
def test_a_mode(given: Any, mode: int | None) -> None:
    assert parse_mode(given) == mode


# Decimal numbers are what YAML makes of 600 or 0o600 without quotes, and of a mode that lacks its zero.
@pytest.mark.parametrize(
    "given", [600, 640, 644, 660, 400, 440, 444, "0700", "1600", "u=rw", "0620", "0060", True, -1, ""]
)
def test_no_mode_for_a_file_with_values(given: Any) -> None:
    with pytest.raises(InputError, match="in quotes"):
        parse_mode(given)


def test_a_home_folder_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert store("~/key").identity == ("file", str(tmp_path / "key"))


def test_a_value_known_already_keeps_its_id(tmp_path: Path) -> None:
    """A publication that is repeated by a run that does not know whose value is live."""
    path = tmp_path / "key"
    found = live(path)
    found.publish({"": Publication(TWO, ONE.value, ONE.key_id)})
    path.write_text(ONE.value)  # as if the process had died before the file was replaced
    found.publish({"": Publication(THREE, ONE.value)})
    assert found.read([""])[""].previous == ONE


def test_many_values_in_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    """Each of them creates the folder, and none may take away what another one has put into it."""
    for turn in range(30):
        folder = tmp_path / str(turn) / "deep"
        stores = [
            open_store(complete({"type": "file", "path": f"{folder}/{number}"}), 10.0, Sessions())
            for number in range(16)
        ]
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda store: store.stage({"": ONE}), stores))
        assert [store.read([""])[""].pending for store in stores] == [ONE] * 16
        assert sorted(path.name for path in folder.iterdir()) == sorted(f"{number}.pending" for number in range(16))
