# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The preset ``pass``, with a real key of GnuPG. The independent reader is ``pass show``."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.community.honeycomb.plugins.module_utils._stores.pass_entries import PassStore
from ansible_collections.community.honeycomb.plugins.module_utils._stores.store import StoreError
from stores.conformance import ONE, THREE, TWO, StoreConformance
from stores.watching import seen_from_outside

pytestmark = pytest.mark.skipif(
    not (shutil.which("pass") and shutil.which("gpg")), reason="the programs pass and gpg are not installed"
)

KEY = """%no-protection
Key-Type: eddsa
Key-Curve: ed25519
Subkey-Type: ecdh
Subkey-Curve: cv25519
Name-Real: Test
Name-Email: {name}@example.com
Expire-Date: 0
%commit
"""


def gpg(home: Path, *arguments: str, given: str = "") -> None:
    command = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--yes", *arguments]
    subprocess.run(command, input=given.encode(), check=True, capture_output=True)


@pytest.fixture(scope="module")
def gnupg() -> Iterator[Path]:
    """The home of GnuPG with a key. Its path is short, since there are sockets in it."""
    home = Path(tempfile.mkdtemp(prefix="gpg", dir="/tmp"))
    try:
        gpg(home, "--generate-key", given=KEY.format(name="test"))
        yield home
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)
        shutil.rmtree(home, ignore_errors=True)


class TestPass(StoreConformance):
    @pytest.fixture(autouse=True)
    def _store(self, _folder: None, gnupg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.entries = self.folder / "store"
        monkeypatch.setenv("GNUPGHOME", str(gnupg))
        monkeypatch.setenv("PASSWORD_STORE_DIR", str(self.entries))
        self.pass_("init", "test@example.com")

    def dictionary(self, entry: str) -> dict[str, Any]:
        return {"type": "command", "preset": "pass", "path": "honeycomb/{environment}/{name}"}

    def look(self, entry: str) -> str | None:
        name = f"honeycomb/production/{self.key_name}"
        if not (self.entries / f"{name}.gpg").exists():
            return None
        return self.pass_("show", name).partition("\n")[0]

    def overwrite(self, entry: str, value: str) -> None:
        self.pass_("insert", "--multiline", "--force", self.name, given=f"{value}\n")

    @staticmethod
    def pass_(*arguments: str, given: str = "") -> str:
        command = subprocess.run(["pass", *arguments], input=given.encode(), check=True, capture_output=True)
        return command.stdout.decode()

    @property
    def name(self) -> str:
        return f"honeycomb/production/{self.key_name}"

    def names(self) -> set[str]:
        return {path.name for path in (self.entries / "honeycomb" / "production").iterdir()}

    def test_nothing_is_left_of_a_settled_value_and_of_the_way_it_took(self) -> None:
        self.bring_live(ONE)
        self.bring_live(TWO, ONE.value)
        assert self.names() == {f"{self.key_name}.gpg", f"{self.key_name}.previous.gpg"}

    def test_the_entry_ends_as_pass_itself_ends_one(self) -> None:
        self.publish(ONE, None)
        assert self.pass_("show", self.name) == f"{ONE.value}\n"

    def test_an_entry_is_replaced_in_one_step(self) -> None:
        """Writing in place would leave its readers half of a value, or none, for a moment."""
        self.publish(ONE, None)
        before = self.entries / "honeycomb" / "before.gpg"
        os.link(self.entries / f"{self.name}.gpg", before)
        self.publish(TWO, ONE.value)
        assert self.pass_("show", "honeycomb/before") == f"{ONE.value}\n"

    @pytest.mark.parametrize("comes_back", [False, True])
    def test_no_value_is_lost_by_a_run_that_dies_between_two_writes(
        self, comes_back: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.bring_live(ONE)
        self.bring_live(TWO, ONE.value, ONE.key_id)
        new = ONE if comes_back else THREE
        if not comes_back:
            self.stage(new)
        put = PassStore.put
        written: list[str] = []

        def dying(store: PassStore, slot: str, text: str) -> None:
            if written:
                raise KeyboardInterrupt
            written.append(slot)
            put(store, slot, text)

        monkeypatch.setattr(PassStore, "put", dying)
        with pytest.raises(KeyboardInterrupt):
            self.publish(new, TWO.value, replaced=TWO.key_id)
        slots = self.slots()
        kept = {slots.live, *(held.value for held in (slots.pending, slots.previous) if held)}
        assert new.value in kept
        assert slots.live in (ONE.value, TWO.value)

    def test_other_lines_of_an_entry_are_kept(self) -> None:
        self.pass_("insert", "--multiline", self.name, given=f"{ONE.value}\nuser: somebody\n\nurl: example.com\n")
        assert self.slots().live == ONE.value
        self.publish(TWO, ONE.value)
        assert self.pass_("show", self.name) == f"{TWO.value}\nuser: somebody\n\nurl: example.com\n"

    def test_a_folder_is_no_value(self) -> None:
        self.pass_("insert", "--multiline", f"{self.name}/another", given="x\n")
        assert self.slots().live is None
        self.bring_live(ONE)
        self.bring_live(TWO, ONE.value)
        assert self.look("one") == TWO.value
        assert self.pass_("show", f"{self.name}/another") == "x\n"

    def test_a_store_in_git_has_each_change_as_a_commit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for role in ("AUTHOR", "COMMITTER"):
            monkeypatch.setenv(f"GIT_{role}_NAME", "Test")
            monkeypatch.setenv(f"GIT_{role}_EMAIL", "test@example.com")
        self.pass_("git", "init", "--quiet")
        self.bring_live(ONE)
        self.bring_live(TWO, ONE.value)
        assert self.look("one") == TWO.value
        status = subprocess.run(["git", "-C", self.entries, "status", "--short"], check=True, capture_output=True)
        assert status.stdout.decode() == ""

    def test_a_folder_with_another_recipient_has_its_entries_for_him(self, gnupg: Path) -> None:
        gpg(gnupg, "--generate-key", given=KEY.format(name="other"))
        self.pass_("init", "--path=honeycomb", "other@example.com")
        store = self.open()
        store.probe([store.entry])
        self.bring_live(ONE)
        command = ["gpg", "--batch", "--list-packets", str(self.entries / f"{self.name}.gpg")]
        assert "other@example.com" in subprocess.run(command, check=True, capture_output=True).stderr.decode()

    # -- failures --------------------------------------------------------------------------------------------------

    def fails(self, told: str, probe: bool = True) -> None:
        store = self.open()
        with pytest.raises(StoreError, match=told) as caught:
            store.probe([store.entry]) if probe else self.stage(ONE)
        assert self.key_name in str(caught.value)
        self.tells_no_value(caught.value)

    def test_a_password_store_that_is_not_there_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PASSWORD_STORE_DIR", str(self.folder / "none"))
        self.fails("there is no such password store")
        self.fails("pass insert ended with exit code 1", probe=False)

    def test_a_recipient_without_a_key_is_told(self) -> None:
        (self.entries / ".gpg-id").write_text("nobody@example.com # long gone\n")
        self.fails("gpg --encrypt ended with exit code 2. It said: .*nobody@example.com")
        self.fails("pass insert ended with exit code 1. It said: .*nobody@example.com", probe=False)

    def test_a_key_that_can_not_decrypt_here_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.publish(ONE, None)
        other = Path(tempfile.mkdtemp(prefix="gpg", dir="/tmp"))
        try:
            monkeypatch.setenv("GNUPGHOME", str(other))
            self.fails("pass show ended with exit code 2. .* on the host of this task")
        finally:
            subprocess.run(["gpgconf", "--homedir", str(other), "--kill", "all"], check=False)
            shutil.rmtree(other, ignore_errors=True)

    def test_a_locked_key_is_told_and_nobody_is_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        home = Path(tempfile.mkdtemp(prefix="gpg", dir="/tmp"))
        asked = self.folder / "asked"
        pinentry = self.folder / "pinentry"
        pinentry.write_text(f"#!/bin/sh\ntouch {asked}\nexec sleep 60\n")
        pinentry.chmod(0o755)
        try:
            (home / "gpg-agent.conf").write_text(f"pinentry-program {pinentry}\n")
            passphrase = ["--pinentry-mode", "loopback", "--passphrase", "long"]
            gpg(home, *passphrase, "--quick-generate-key", "locked@example.com", "future-default", "default", "never")
            subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "gpg-agent"], check=True)
            monkeypatch.setenv("GNUPGHOME", str(home))
            (self.entries / ".gpg-id").write_text("locked@example.com\n")
            self.fails("gpg --decrypt ended with exit code 2.*without a passphrase, or unlocked in gpg-agent")
            self.publish(ONE, None)  # nothing is there that would have to be decrypted
            self.fails("pass show ended with exit code 2.*without a passphrase, or unlocked in gpg-agent")
            assert not asked.exists()
        finally:
            subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)
            shutil.rmtree(home, ignore_errors=True)

    def test_missing_programs_are_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(self.folder))
        self.fails("the program pass was not found. Install it")

    def test_no_argument_and_no_environment_holds_a_value(self, monkeypatch: pytest.MonkeyPatch) -> None:
        wrappers = self.folder / "bin"
        wrappers.mkdir()
        running = self.folder / "running"
        for program in ("pass", "gpg"):
            wrapper = wrappers / program
            wrapper.write_text(f'#!/bin/sh\ntouch {running}\nsleep 0.05\n{shutil.which(program)} "$@"\n')
            wrapper.chmod(0o755)
        monkeypatch.setenv("PATH", f"{wrappers}:{os.environ['PATH']}")
        assert seen_from_outside(ONE.value, lambda: self.bring_live(ONE), running) == []
        assert self.look("one") == ONE.value
