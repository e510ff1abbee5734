# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The preset ``systemd_creds``. The independent reader is ``systemd-creds decrypt``."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.community.honeycomb.plugins.module_utils._errors import InputError
from ansible_collections.community.honeycomb.plugins.module_utils._stores.opening import open_store
from ansible_collections.community.honeycomb.plugins.module_utils._stores.options import complete
from ansible_collections.community.honeycomb.plugins.module_utils._stores.store import Sessions, StoreError
from stores.conformance import ONE, THREE, TWO, StoreConformance
from stores.watching import seen_from_outside

pytestmark = pytest.mark.skipif(not shutil.which("systemd-creds"), reason="the program systemd-creds is missing")


class TestSystemdCreds(StoreConformance):
    credential = ""

    @pytest.fixture(autouse=True)
    def _key(self, _folder: None, monkeypatch: pytest.MonkeyPatch) -> None:
        """A key of the test's own, in place of the host's, which belongs to root."""
        monkeypatch.setenv("SYSTEMD_CREDENTIAL_SECRET", str(self.folder / "secret"))

    def dictionary(self, entry: str) -> dict[str, Any]:
        return {
            "type": "command",
            "preset": "systemd_creds",
            "path": f"{self.folder}/credstore.encrypted/{{name}}",
            **({"entry": self.credential} if self.credential else {}),
        }

    @property
    def path(self) -> Path:
        return self.folder / "credstore.encrypted" / self.key_name

    def look(self, entry: str) -> str | None:
        if not self.path.exists():
            return None
        # It takes the name of the credential from the file, as LoadCredentialEncrypted= does.
        options = [f"--name={self.credential}"] if self.credential else []
        command = ["systemd-creds", "decrypt", *options, str(self.path), "-"]
        return subprocess.run(command, check=True, capture_output=True).stdout.decode()

    def overwrite(self, entry: str, value: str) -> None:
        options = [f"--name={self.credential}"] if self.credential else []
        command = ["systemd-creds", "encrypt", *options, "-", str(self.path)]
        subprocess.run(command, input=value.encode(), check=True, capture_output=True)

    def test_no_file_holds_a_value_in_clear(self) -> None:
        self.bring_live(ONE)
        self.bring_live(TWO, ONE.value, ONE.key_id)
        self.stage(THREE)
        paths = list(self.path.parent.iterdir())
        assert {path.name for path in paths} == {self.key_name + ending for ending in ("", ".pending", ".previous")}
        for path in paths:
            assert not any(held.value in path.read_text() for held in (ONE, TWO, THREE))
            assert path.stat().st_mode & 0o777 == 0o600

    def test_the_other_slots_are_credentials_with_names_of_their_own(self) -> None:
        self.stage(ONE)
        options = [f"--name={self.credential}.pending"] if self.credential else []
        command = ["systemd-creds", "decrypt", *options, f"{self.path}.pending", "-"]
        assert ONE.value in subprocess.run(command, check=True, capture_output=True).stdout.decode()

    def test_a_credential_of_another_name_is_told(self) -> None:
        self.publish(ONE, None)
        other = self.path.with_name("other")
        self.path.rename(other)
        store = open_store(complete({**self.dictionary("one"), "path": str(other), "entry": "third"}), 10, Sessions())
        for work in (lambda: store.probe([""]), lambda: store.read([""])):
            with pytest.raises(StoreError, match="systemd-creds decrypt ended with exit code 1. It said: .*name") as e:
                work()
            self.tells_no_value(e.value)

    def test_a_file_that_is_no_credential_is_told(self) -> None:
        self.path.parent.mkdir()
        self.path.write_text(ONE.value)
        store = self.open()
        with pytest.raises(StoreError, match="systemd-creds decrypt ended with exit code 1.*become: true") as caught:
            store.probe([""])
        self.tells_no_value(caught.value)

    def test_a_host_whose_key_can_not_be_used_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As it is for everybody but root."""
        monkeypatch.setenv("SYSTEMD_CREDENTIAL_SECRET", "/proc/none")
        store = self.open()
        with pytest.raises(StoreError, match="systemd-creds encrypt ended with exit code 1.*become: true"):
            store.probe([""])
        with pytest.raises(StoreError, match="systemd-creds encrypt ended with exit code 1.*become: true") as caught:
            self.publish(ONE, None)
        self.tells_no_value(caught.value)
        assert not self.path.exists()

    def test_a_missing_program_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(self.folder))
        with pytest.raises(StoreError, match="the program systemd-creds was not found. Install it"):
            self.open().probe([""])

    def test_no_argument_and_no_environment_holds_a_value(self, monkeypatch: pytest.MonkeyPatch) -> None:
        wrapper = self.folder / "bin" / "systemd-creds"
        wrapper.parent.mkdir()
        running = self.folder / "running"
        wrapper.write_text(f'#!/bin/sh\ntouch {running}\nsleep 0.1\nexec {shutil.which("systemd-creds")} "$@"\n')
        wrapper.chmod(0o755)
        monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
        assert seen_from_outside(ONE.value, lambda: self.bring_live(ONE), running) == []
        assert self.look("one") == ONE.value


class TestNamed(TestSystemdCreds):
    """With a name that is not that of the file."""

    credential = "honeycomb-key"


def test_a_credential_has_no_format() -> None:
    options = {"type": "command", "preset": "systemd_creds", "path": "/x", "format": "env", "entry": "A"}
    with pytest.raises(InputError, match="knows plain only"):
        open_store(complete(options), 10, Sessions())
