# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The preset ``sops``, with a real key of age. The independent reader is ``sops decrypt``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.community.honeycomb.plugins.module_utils._stores.store import StoreError
from stores.conformance import ONE, THREE, TWO, StoreConformance
from stores.watching import seen_from_outside

pytestmark = pytest.mark.skipif(
    not (shutil.which("sops") and shutil.which("age-keygen")), reason="the programs sops and age-keygen are missing"
)

RULES = """creation_rules:
  - path_regex: secrets/.*\\.enc$
    age: {recipient}
"""


class SopsConformance(StoreConformance):
    """What holds for each format."""

    # Each read and write is a program that starts, and on a busy machine another run waits for many of them.
    timeout = 60.0

    @pytest.fixture(autouse=True)
    def _keys(self, _folder: None, monkeypatch: pytest.MonkeyPatch) -> None:
        key = self.folder / "key.txt"
        told = subprocess.run(["age-keygen", "-o", key], check=True, capture_output=True).stderr.decode()
        self.recipient = told.split()[-1]
        monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(key))
        # Rules are found by the folder of the file, wherever the task runs.
        monkeypatch.chdir("/")
        self.rules(RULES)

    def rules(self, text: str) -> None:
        (self.folder / ".sops.yaml").write_text(text.format(recipient=self.recipient))

    def dictionary(self, entry: str) -> dict[str, Any]:
        return {"type": "command", "preset": "sops", "path": f"{self.folder}/secrets/{{name}}.enc"}

    @property
    def path(self) -> Path:
        return self.folder / "secrets" / f"{self.key_name}.enc"

    def sops(self, action: str, path: Path, kind: str, given: str | None = None) -> str:
        options = ["--filename-override", str(self.path), "--input-type", kind, "--output-type", kind]
        command = ["sops", action, *options, "/dev/stdin" if given else str(path)]
        text = given.encode() if given else None
        return subprocess.run(command, input=text, cwd=self.folder, check=True, capture_output=True).stdout.decode()

    def wrote(self, kind: str, text: str) -> None:
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_text(self.sops("encrypt", self.path, kind, text))

    def test_no_file_holds_a_value_in_clear(self) -> None:
        self.bring_live(ONE)
        self.bring_live(TWO, ONE.value, ONE.key_id)
        self.stage(THREE)
        names = {path.name for path in self.path.parent.iterdir()}
        assert names == {f"{self.path.name}{ending}" for ending in ("", ".pending", ".previous")}
        for path in self.path.parent.iterdir():
            text = path.read_text()
            assert "ENC[" in text
            for held in (ONE, TWO, THREE):
                assert held.value not in text and str(held.key_id) not in text

    def test_who_can_decrypt_the_file_can_decrypt_the_other_slots(self) -> None:
        self.bring_live(ONE)
        self.stage(TWO)
        pending = json.loads(self.sops("decrypt", self.path.with_name(f"{self.path.name}.pending"), "binary"))
        assert [found["value"] for found in pending.values()] == [TWO.value]


class TestPlain(SopsConformance):
    def look(self, entry: str) -> str | None:
        return self.sops("decrypt", self.path, "binary") if self.path.exists() else None

    def overwrite(self, entry: str, value: str) -> None:
        self.wrote("binary", value)

    def test_no_argument_and_no_environment_holds_a_value(self, monkeypatch: pytest.MonkeyPatch) -> None:
        wrapper = self.folder / "bin" / "sops"
        wrapper.parent.mkdir()
        running = self.folder / "running"
        wrapper.write_text(f'#!/bin/sh\ntouch {running}\nsleep 0.1\nexec {shutil.which("sops")} "$@"\n')
        wrapper.chmod(0o755)
        monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
        assert seen_from_outside(ONE.value, lambda: self.bring_live(ONE), running) == []
        assert self.look("one") == ONE.value

    # -- failures --------------------------------------------------------------------------------------------------

    def fails(self, told: str) -> None:
        store = self.open()
        works: list[Callable[[], None]] = [
            lambda: store.probe([""]),
            lambda: self.stage(TWO),
            lambda: self.publish(TWO, self.live()),
        ]
        for work in works:
            with pytest.raises(StoreError, match=told) as caught:
                work()
            assert str(self.path) in str(caught.value)
            self.tells_no_value(caught.value)

    def live(self) -> str | None:
        return ONE.value if self.path.exists() else None

    def test_a_path_without_a_rule_is_told(self) -> None:
        self.rules("creation_rules:\n  - path_regex: other/.*\n    age: {recipient}\n")
        self.fails("sops encrypt ended with exit code 1. It said: .*no matching creation rules found.*creation rule in")
        assert not self.path.exists()

    def test_a_folder_without_rules_is_told(self) -> None:
        (self.folder / ".sops.yaml").unlink()
        self.fails("sops encrypt ended with exit code 1. It said: .*config file not found")

    def test_a_key_that_is_missing_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.publish(ONE, None)
        self.stage(ONE)
        monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(self.folder / "none"))
        self.fails("sops decrypt ended with exit code 128. .*a key that decrypts it")
        assert self.path.with_name(f"{self.path.name}.pending").exists()

    def test_a_file_that_is_not_encrypted_is_told(self) -> None:
        self.path.parent.mkdir()
        self.path.write_text(ONE.value)
        store = self.open()
        with pytest.raises(StoreError, match="sops decrypt ended with exit code") as caught:
            store.probe([""])
        self.tells_no_value(caught.value)

    def test_a_missing_program_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(self.folder))
        with pytest.raises(StoreError, match="the program sops was not found. Install it"):
            self.open().probe([""])


class Entries(SopsConformance):
    many = True
    format = ""
    kind = ""
    names = ("", "")

    def dictionary(self, entry: str) -> dict[str, Any]:
        name = self.names[0] if entry == "one" else self.names[1]
        return {**super().dictionary(entry), "format": self.format, "entry": name}

    def parsed(self) -> Any:
        """What is in the file, as somebody else reads it: in JSON, or in lines of an env file."""
        options = ["--input-type", self.kind, "--output-type", self.kind if self.kind == "dotenv" else "json"]
        command = ["sops", "decrypt", *options, str(self.path)]
        text = subprocess.run(command, check=True, capture_output=True).stdout.decode()
        return dict(line.split("=", 1) for line in text.splitlines()) if self.kind == "dotenv" else json.loads(text)

    def look(self, entry: str) -> str | None:
        if not self.path.exists():
            return None
        found = self.parsed()
        for key in self.names[0 if entry == "one" else 1].split("."):
            found = found.get(key)
            if found is None:
                return None
        return str(found)

    def overwrite(self, entry: str, value: str) -> None:
        text = self.sops("decrypt", self.path, self.kind)
        self.wrote(self.kind, text.replace(str(self.look(entry)), value))


class TestEnv(Entries):
    format, kind, names = "env", "dotenv", ("KEY_ONE", "KEY_TWO")

    def test_other_variables_and_comments_stay(self) -> None:
        self.wrote("dotenv", "# the shop\nOTHER=1\nKEY_ONE=old\n# the end\n")
        self.publish(ONE, "old")
        assert self.sops("decrypt", self.path, "dotenv") == f"# the shop\nOTHER=1\nKEY_ONE={ONE.value}\n# the end\n"


class TestJson(Entries):
    format, kind, names = "json", "json", ("honeycomb.one", "honeycomb.two")

    def test_other_entries_stay(self) -> None:
        self.wrote("json", '{"z": {"deep": [1, null]}, "honeycomb": {"one": "old"}, "a": "x"}')
        self.publish(ONE, "old")
        found = self.parsed()
        assert list(found) == ["z", "honeycomb", "a"]
        assert found == {"z": {"deep": [1, None]}, "honeycomb": {"one": ONE.value}, "a": "x"}


class TestYaml(Entries):
    format, kind, names = "yaml", "yaml", ("data.one", "data.two")

    def test_other_entries_and_comments_stay(self) -> None:
        self.wrote("yaml", "# the shop\nother:\n    - 1\n    # a note\n    - two\ndata:\n    one: old\n")
        self.publish(ONE, "old")
        assert self.sops("decrypt", self.path, "yaml") == (
            f"# the shop\nother:\n    - 1\n    # a note\n    - two\ndata:\n    one: {ONE.value}\n"
        )

    def test_a_rule_that_leaves_other_parts_in_clear_is_no_obstacle(self) -> None:
        self.rules(RULES.replace("    age", "    encrypted_regex: ^data$\n    age"))
        self.wrote("yaml", "kind: Secret\ndata:\n    one: old\n")
        self.publish(TWO, "old")
        self.stage(ONE)
        assert "kind: Secret" in self.path.read_text()
        assert self.look("one") == TWO.value
        assert self.slots().pending == ONE
        for path in self.path.parent.iterdir():
            assert ONE.value not in path.read_text() and TWO.value not in path.read_text()

    def test_a_value_that_a_rule_would_leave_in_clear_is_not_written(self) -> None:
        self.rules(RULES.replace("    age", "    encrypted_regex: ^other$\n    age"))
        store = self.open()
        works: list[Callable[[], None]] = [lambda: store.probe([store.entry]), lambda: self.publish(ONE, None)]
        for work in works:
            with pytest.raises(StoreError, match=r"SOPS leaves data\.one in clear\. Nothing was written") as caught:
                work()
            self.tells_no_value(caught.value)
        assert not self.path.exists()

    def test_a_value_of_another_entry_is_in_no_message(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wrote("yaml", f"other: {TWO.value}\n")
        wrapper = self.folder / "bin" / "sops"
        wrapper.parent.mkdir()
        wrapper.write_text(
            f'#!/bin/sh\n[ "$1" = decrypt ] && exec {shutil.which("sops")} "$@"\ncat | tail -c 200 >&2\nexit 1\n'
        )
        wrapper.chmod(0o755)
        monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
        with pytest.raises(StoreError, match="Its message is not shown") as caught:
            self.publish(ONE, None)
        self.tells_no_value(caught.value)
