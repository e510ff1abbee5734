# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store ``command`` with a user's own programs, and what programs can do wrong."""

from __future__ import annotations

import base64
import os
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.community.honeycomb.plugins.module_utils._errors import InputError
from ansible_collections.community.honeycomb.plugins.module_utils._stores import programs
from ansible_collections.community.honeycomb.plugins.module_utils._stores.opening import open_store
from ansible_collections.community.honeycomb.plugins.module_utils._stores.options import complete
from ansible_collections.community.honeycomb.plugins.module_utils._stores.store import (
    Held,
    Publication,
    Sessions,
    Slots,
    Store,
    StoreError,
)
from stores.conformance import ONE, THREE, TWO, StoreConformance
from stores.watching import seen_from_outside

KEEPER = """#!/bin/sh
# A program that keeps texts in files.
case $1 in
  put) cat > "$2" ;;
  get) cat "$2" ;;
  publish) sed 's/.*"value": "\\([^"]*\\)".*/\\1/' < "$2" > "$3" && echo used >> "$3.log" ;;
esac
"""


def program(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


class WithoutPrevious(StoreConformance):
    """What holds for programs of a user's: they have no slot for what was live before."""

    remembers = False

    def dictionary(self, entry: str) -> dict[str, Any]:
        keeper = program(self.folder / "keeper", KEEPER)
        place = f"{self.folder}/{{name}}"
        return {"type": "command", "write": [keeper, "put", place], "read": [keeper, "get", place]}

    def look(self, entry: str) -> str | None:
        path = self.folder / self.key_name
        return path.read_text() if path.exists() else None

    def overwrite(self, entry: str, value: str) -> None:
        (self.folder / self.key_name).write_text(value)

    def test_what_was_live_is_kept_as_previous(self) -> None:
        self.bring_live(ONE)
        self.bring_live(TWO, ONE.value, ONE.key_id)
        assert self.look("one") == TWO.value
        assert self.slots().previous is None

    def test_the_previous_value_comes_back(self) -> None:
        self.bring_live(ONE)
        self.bring_live(TWO, ONE.value, ONE.key_id)
        self.publish(ONE, TWO.value)
        assert self.look("one") == ONE.value


class TestPending(WithoutPrevious):
    def dictionary(self, entry: str) -> dict[str, Any]:
        keeper, place = str(self.folder / "keeper"), f"{self.folder}/{{name}}.pending"
        return {
            **super().dictionary(entry),
            "write_pending": [keeper, "put", place],
            "read_pending": [keeper, "get", place],
        }

    def test_the_pending_text_is_a_line_of_json(self) -> None:
        self.stage(THREE)
        pending = self.folder / f"{self.key_name}.pending"
        assert pending.read_text() == f'{{"id": "{THREE.key_id}", "value": "{THREE.value}"}}'

    def test_a_settled_slot_is_an_empty_text(self) -> None:
        self.bring_live(ONE)
        assert (self.folder / f"{self.key_name}.pending").read_text() == ""

    @pytest.mark.parametrize("left", ['{"id": "hcxik_1", "val', "[]", "null", '{"value": "x"}', "else"])
    def test_a_pending_text_that_is_none_of_ours_can_be_replaced(self, left: str) -> None:
        self.open()
        (self.folder / f"{self.key_name}.pending").write_text(left)
        assert self.slots().pending is None
        self.stage(ONE)
        assert self.slots().pending == ONE


class TestPublish(TestPending):
    def dictionary(self, entry: str) -> dict[str, Any]:
        found = super().dictionary(entry)
        place = f"{self.folder}/{{name}}"
        return {**found, "publish": [str(self.folder / "keeper"), "publish", f"{place}.pending", place]}

    def test_a_staged_value_is_published_by_the_command(self) -> None:
        self.bring_live(ONE)
        assert (self.folder / f"{self.key_name}.log").exists()

    def test_another_value_than_the_pending_one_is_written(self) -> None:
        self.stage(ONE)
        self.publish(TWO, None)
        assert self.look("one") == TWO.value
        assert not (self.folder / f"{self.key_name}.log").exists()


class TestOneSlot(WithoutPrevious):
    """Without commands for it, there is no pending slot."""

    def test_a_place_says_whether_it_has_a_pending_slot(self) -> None:
        assert not self.open().has_pending

    def test_a_staged_value_is_kept_with_its_id_and_nobody_reads_it(self) -> None:
        self.stage(ONE)
        assert self.slots() == Slots()
        assert self.look("one") is None

    def test_a_published_value_is_what_others_read(self) -> None:
        self.publish(ONE, None)
        assert self.look("one") == ONE.value
        assert self.slots() == Slots(live=ONE.value, live_id=ONE.key_id)

    def test_only_a_keys_own_value_is_settled(self) -> None:
        self.publish(ONE, None)
        self.settle(ONE.key_id)
        assert self.slots() == Slots(live=ONE.value, live_id=ONE.key_id)

    def test_a_later_value_takes_the_pending_slot(self) -> None:
        pytest.skip("there is none")

    def test_staging_the_same_value_again_is_nothing(self) -> None:
        pytest.skip("there is none")

    def test_a_configuration_keys_value_is_kept_with_its_id(self) -> None:
        pytest.skip("there is none")

    def test_what_another_writer_made_live_is_not_overwritten(self) -> None:
        self.publish(ONE, None)
        with pytest.raises(StoreError, match="somebody else changed") as caught:
            self.publish(THREE, TWO.value)
        assert self.look("one") == ONE.value
        self.tells_no_value(caught.value)


def opened(timeout: float = 10, **options: Any) -> Store:
    return open_store(complete({"type": "command", **options}), timeout, Sessions())


def shell(script: str) -> list[str]:
    return ["sh", "-c", script]


def published(store: Store, held: Held = ONE) -> None:
    store.publish({"": Publication(held)})


def live(store: Store) -> str | None:
    return store.read([""])[""].live


# -- the options -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, told",
    [
        ({"write": ["a"]}, "store.read is missing"),
        ({"read": ["a"]}, "store.write is missing"),
        ({"write": ["a"], "read": ["b"], "path": "c"}, "store.path"),
        ({"write": ["a"], "read": ["b"], "write_pending": ["c"]}, "belong together"),
        ({"write": ["a"], "read": ["b"], "read_pending": ["c"]}, "belong together"),
        ({"write": ["a"], "read": ["b"], "publish": ["c"]}, "store.publish needs"),
        ({"preset": "pass"}, "store.path is missing"),
        ({"preset": "pass", "path": "a", "write": ["b"]}, "store.write"),
    ],
)
def test_options_that_make_no_sense_are_told_before_anything_runs(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        opened(**options)


# -- what programs do --------------------------------------------------------------------------------------------------


def test_values_come_whole_whatever_is_in_them(tmp_path: Path) -> None:
    store = opened(write=["tee", f"{tmp_path}/place"], read=["cat", f"{tmp_path}/place"])
    held = Held("$(id) `id` 'ä\"\\ %s \x7f", None)
    published(store, held)
    assert live(store) == held.value


@pytest.mark.parametrize("printed, value", [("x\\n", "x"), ("x", "x"), ("x\\n\\n", "x\n"), ("\\n", None), ("", None)])
def test_one_final_newline_does_not_count(printed: str, value: str | None) -> None:
    assert live(opened(write=["true"], read=["printf", printed])) == value


def test_a_reader_that_fails_and_prints_nothing_says_that_there_is_no_value() -> None:
    assert live(opened(write=["true"], read=shell("echo no such entry >&2; exit 3"))) is None


@pytest.mark.parametrize("script", ["echo half; exit 1", "exit 127", "exit 126", "kill -9 $$"])
def test_a_reader_that_fails_otherwise_says_nothing_about_the_place(script: str) -> None:
    with pytest.raises(StoreError, match=r"the program sh of store\.read (ended with exit code|was ended by signal)"):
        live(opened(write=["true"], read=shell(script)))


def test_a_reader_that_prints_no_text_is_told() -> None:
    with pytest.raises(StoreError, match="no text in UTF-8"):
        live(opened(write=["true"], read=["printf", "\\377"]))


def test_a_program_that_fails_to_write_says_why() -> None:
    store = opened(write=shell("cat > /dev/null; echo The safe is locked >&2; exit 4"), read=["false"])
    with pytest.raises(StoreError, match=r"exit code 4\. It said: The safe is locked\. The value may not have been"):
        published(store)


@pytest.mark.parametrize(
    "filter_",
    [
        "cat",
        "base64 -w0",
        "base64 -w20",
        "(printf a; cat) | base64 -w0",
        "(printf ab; cat) | base64 -w0",
        "cut -c1-40",
        "cut -c40-",
        "tr -d '\\n' | od -An -tx1 | tr -d ' \\n'",
        "cat; printf %2000s error",
    ],
)
def test_a_value_in_a_programs_message_is_not_told(filter_: str) -> None:
    writer = opened(write=shell(f"{{ echo 'failed:'; {filter_}; }} >&2; exit 1"), read=["false"])
    with pytest.raises(StoreError) as caught:
        published(writer)
    assert "It said" not in str(caught.value)
    StoreConformance.tells_no_value(caught.value, {"encoded": base64.b64encode(ONE.value.encode()).decode()[8:28]})


def test_a_value_in_a_readers_message_is_masked() -> None:
    """What it is is not known before, so that whatever looks like a value is masked."""
    reader = opened(write=["true"], read=shell(f"echo 'can not decode {ONE.value} and {THREE.value}' >&2; exit 126"))
    with pytest.raises(StoreError, match=r"can not decode \*\*\* and \*\*\*") as caught:
        live(reader)
    StoreConformance.tells_no_value(caught.value)


def test_a_program_that_is_missing_is_told_by_the_probe_and_when_it_runs(tmp_path: Path) -> None:
    store = opened(write=[f"{tmp_path}/none"], read=["false"])
    with pytest.raises(StoreError, match=r"the program .*/none of store\.write was not found"):
        store.probe([""])
    with pytest.raises(StoreError, match="can't be run: No such file or directory") as caught:
        published(store)
    StoreConformance.tells_no_value(caught.value)


def test_a_program_that_can_not_be_run_is_told(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    store = opened(write=[f"{tmp_path}/text"], read=["false"])
    with pytest.raises(StoreError, match="was not found or can't be run"):
        store.probe([""])
    with pytest.raises(StoreError, match="can't be run: Permission denied"):
        published(store)
    (tmp_path / "text").chmod(0o755)
    with pytest.raises(StoreError, match="can't be run: Exec format error"):
        published(store)


def test_a_program_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    script = f"sleep 300 & echo $! > {tmp_path}/child; sleep 301 & echo $! > {tmp_path}/other; wait"
    store = opened(timeout=0.5, write=shell(script), read=["false"])
    started = time.monotonic()
    with pytest.raises(StoreError, match=r"did not end within 0\.5 seconds and was killed"):
        published(store)
    assert time.monotonic() - started < 3
    for name in ("child", "other"):
        pid = int((tmp_path / name).read_text())
        assert _gone(pid), f"process {pid} runs on"


def _gone(pid: int) -> bool:
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True  # dead, and waiting for whoever is its parent now
        except OSError:
            return True
        time.sleep(0.02)
    return False


def test_a_program_that_leaves_something_running_is_not_waited_for(tmp_path: Path) -> None:
    store = opened(write=shell("cat > /dev/null; sleep 3 &"), read=["false"])
    started = time.monotonic()
    published(store)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("option", ["read", "write"])
def test_a_program_that_prints_without_end_is_killed(option: str) -> None:
    options: dict[str, Any] = {"write": ["true"], "read": ["false"], option: ["yes"]}
    with pytest.raises(StoreError, match=r"yes printed more than \d+ bytes and was killed"):
        published(opened(**options))


def test_endless_messages_are_cut() -> None:
    script = "yes message | head -c 3000000 >&2; exit 1"
    assert len(programs.run("a place", shell(script), 10).errors) < 100_000
    store = opened(write=shell(script), read=["false"])
    with pytest.raises(StoreError, match=r"It said: \.\.\.") as caught:
        published(store)
    assert len(str(caught.value)) < 1500


def test_a_reader_gets_nothing_to_read_and_no_terminal() -> None:
    """Such as a program that asks for a password: it must fail, not wait."""
    script = "read answer || echo -n nothing; (: < /dev/tty) 2> /dev/null || echo -n ', no terminal'"
    assert live(opened(write=["true"], read=shell(script))) == "nothing, no terminal"


def test_programs_have_the_environment_of_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("OF_THE_MODULE", "yes")
    assert live(opened(write=["true"], read=shell('echo "$OF_THE_MODULE $LC_ALL"'))) == "yes C.UTF-8"


def test_a_program_has_its_whole_input_from_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a task that is killed just then does not make half of a value, or none, live."""
    writer = shell(f"sleep 0.2; cat > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/place")
    task = os.fork()
    if not task:
        monkeypatch.setattr(programs, "_exchange", lambda *_: os._exit(9))
        programs.run("a place", writer, 10, ONE.value.encode())
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(task, 0)[1]) == 9
    deadline = time.monotonic() + 5
    while not (tmp_path / "place").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert (tmp_path / "place").read_text() == ONE.value


def test_input_that_fits_no_pipe_comes_whole(tmp_path: Path) -> None:
    store = opened(write=shell(f"sleep 0.2; cat > {tmp_path}/place"), read=["false"])
    held = Held("0123456789" * 50_000)
    published(store, held)
    assert (tmp_path / "place").read_text() == held.value


def test_a_program_may_ignore_its_input() -> None:
    published(opened(write=["true"], read=["false"]), Held("0123456789" * 50_000))


def test_no_argument_and_no_environment_holds_a_value(tmp_path: Path) -> None:
    running = tmp_path / "running"
    script = f"touch {running}; sleep 0.3; cat > {tmp_path}/place"
    store = opened(
        write=shell(script),
        read=["cat", f"{tmp_path}/place"],
        write_pending=shell(f"touch {running}; sleep 0.3; cat > {tmp_path}/pending"),
        read_pending=["cat", f"{tmp_path}/pending"],
    )

    def work() -> None:
        store.stage({"": ONE})
        published(store)

    assert seen_from_outside(ONE.value, work, running) == []
    assert live(store) == ONE.value
