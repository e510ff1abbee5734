# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store ``ansible_vault``. It is read by ansible-core's own Vault, its command, and a task."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret

from ansible_collections.community.honeycomb.plugins.module_utils._errors import InputError
from ansible_collections.community.honeycomb.plugins.module_utils._stores.ansible_vault import (
    AnsibleVaultStore,
    parse_vault_id,
)
from ansible_collections.community.honeycomb.plugins.module_utils._stores.options import complete
from ansible_collections.community.honeycomb.plugins.module_utils._stores.places import fill
from ansible_collections.community.honeycomb.plugins.module_utils._stores.store import (
    Publication,
    Sessions,
    Store,
    StoreError,
)
from stores.conformance import ONE, THREE, TWO, StoreConformance

PASSWORD = "correct horse battery staple"
# One for all: starting Ansible's Vault takes half a second.
SESSIONS = Sessions()


@pytest.fixture(scope="module")
def password_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vault") / "password"
    path.write_text(PASSWORD + "\n")
    path.chmod(0o600)
    return path


def opened(text: str, password: str = PASSWORD) -> str:
    """What a text was before it was encrypted, by ansible-core itself."""
    assert text.startswith("$ANSIBLE_VAULT;")
    return str(VaultLib([("default", VaultSecret(password.encode()))]).decrypt(text.encode()).decode())


def sealed(text: str, label: str | None = None, password: str = PASSWORD) -> str:
    return str(VaultLib().encrypt(text, VaultSecret(password.encode()), label).decode())


class _Loader(yaml.SafeLoader):
    """Reads ``!vault`` values as Ansible does."""


_Loader.add_constructor("!vault", lambda loader, node: opened(str(node.value).strip() + "\n"))


class _Vaults(StoreConformance):
    format = "plain"
    entries = {"one": "", "two": ""}
    # The beginning of the file
    start = "$ANSIBLE_VAULT;1.1;AES256\n"

    @pytest.fixture(autouse=True)
    def _password(self, password_file: Path) -> None:
        self.password_file = password_file

    def dictionary(self, entry: str) -> dict[str, Any]:
        return {
            "type": "ansible_vault",
            "path": f"{self.folder}/{{name}}/vault.yml",
            "format": self.format,
            "entry": self.entries[entry] or None,
            "vault_password_file": str(self.password_file),
        }

    def open(self, entry: str = "one", **changes: Any) -> Store:
        values = {"name": self.key_name, "environment": "production", "key_type": "ingest"}
        options = {**complete(fill(self.dictionary(entry), values, "store")), **changes}
        return AnsibleVaultStore(options, 10.0, SESSIONS)

    @property
    def path(self) -> Path:
        return self.folder / self.key_name / "vault.yml"

    def look(self, entry: str) -> str | None:
        if not self.path.exists():
            return None
        text = self.path.read_text()
        assert text.startswith(self.start)
        return self.value(text, self.entries[entry])

    def value(self, text: str, entry: str) -> str | None:
        return opened(text)

    def overwrite(self, entry: str, value: str) -> None:
        self.path.write_text(sealed(opened(self.path.read_text()).replace(str(self.look(entry)), value)))

    def test_no_file_shows_a_value(self) -> None:
        self.bring_live(ONE)
        self.stage(TWO)
        self.publish(TWO, ONE.value, replaced=ONE.key_id)
        names = sorted(path.name for path in self.path.parent.iterdir())
        assert names == ["vault.yml", "vault.yml.pending", "vault.yml.previous"]
        for path in self.path.parent.iterdir():
            for held in (ONE, TWO):
                assert held.value not in path.read_text()
                assert str(held.key_id) not in path.read_text()
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


class TestPlain(_Vaults):
    pass


class TestEnv(_Vaults):
    format = "env"
    many = True
    entries = {"one": "HONEYCOMB_API_KEY", "two": "OTHER_KEY"}

    def value(self, text: str, entry: str) -> str | None:
        lines = dict(line.split("=") for line in opened(text).splitlines())
        return lines.get(entry)


class TestJson(_Vaults):
    format = "json"
    many = True
    entries = {"one": "app.honeycomb", "two": "app.other"}

    def value(self, text: str, entry: str) -> str | None:
        found: str | None = json.loads(opened(text))["app"].get(entry[4:])
        return found


class TestYamlValues(_Vaults):
    """Values that are encrypted within clear YAML."""

    format = "yaml"
    many = True
    entries = {"one": "app.honeycomb", "two": "app.other"}
    start = "app:\n"

    def value(self, text: str, entry: str) -> str | None:
        found: str | None = yaml.load(text, Loader=_Loader)["app"].get(entry[4:])
        return found

    def overwrite(self, entry: str, value: str) -> None:
        values = {**yaml.load(self.path.read_text(), Loader=_Loader)["app"], self.entries[entry][4:]: value}
        blocks = [f"  {name}: !vault |\n{indent(sealed(text), '    ')}" for name, text in values.items()]
        self.path.write_text(f"app:\n{''.join(blocks)}")


class TestYamlFile(_Vaults):
    """A YAML file that is encrypted as a whole stays so."""

    format = "yaml"
    many = True
    entries = {"one": "honeycomb", "two": "other"}

    @pytest.fixture(autouse=True)
    def _encrypted(self, _folder: None) -> None:
        self.path.parent.mkdir()
        self.path.write_text(sealed("# mine\nuser: x\n"))
        self.path.chmod(0o600)

    def value(self, text: str, entry: str) -> str | None:
        assert opened(text).startswith("# mine\nuser: x\n")
        found: str | None = yaml.safe_load(opened(text)).get(entry)
        return found


# -- Ansible itself ------------------------------------------------------------------------------------------------


def store(path: Path, password_file: Path, sessions: Sessions = SESSIONS, **options: Any) -> AnsibleVaultStore:
    given = {"type": "ansible_vault", "path": str(path), "vault_password_file": str(password_file), **options}
    return AnsibleVaultStore({**complete(given), "mode": None}, 10.0, sessions)


def ansible(command: str, *arguments: str) -> str:
    """The output of one of Ansible's commands."""
    process = subprocess.run(
        [sys.executable, "-m", "ansible", command, *arguments],
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, ONE.value),
        ({"format": "env", "entry": "KEY"}, f"KEY={ONE.value}"),
        ({"format": "json", "entry": "a"}, f'{{\n  "a": "{ONE.value}"\n}}'),
    ],
)
def test_ansible_vault_shows_the_file(tmp_path: Path, password_file: Path, options: dict[str, Any], text: str) -> None:
    path = tmp_path / "file"
    found = store(path, password_file, **options)
    found.publish({found.entry: Publication(ONE)})
    assert ansible("vault", "view", "--vault-password-file", str(password_file), str(path)).rstrip("\n") == text


@pytest.mark.parametrize("whole", [False, True])
def test_a_task_reads_the_value_from_its_variables(tmp_path: Path, password_file: Path, whole: bool) -> None:
    path = tmp_path / "group_vars" / "all.yml"
    path.parent.mkdir()
    (tmp_path / "hosts").write_text("localhost ansible_connection=local\n")
    if whole:
        path.write_text(sealed("greeting: hello\n"))
    else:
        path.write_text("---\n# Whose these are\ngreeting: hello  # kept\n\nlast: 1\n")
    found = store(path, password_file, format="yaml", entry="honeycomb.key", vault_id=f"dev@{password_file}")
    found.stage({found.entry: TWO})
    found.publish({found.entry: Publication(TWO)})
    shown = ansible(
        *("adhoc", "localhost", "-i", str(tmp_path / "hosts"), "-m", "debug"),
        *("-a", "msg={{ honeycomb.key }}-{{ greeting }}", "--vault-id", f"dev@{password_file}"),
    )
    assert f"{TWO.value}-hello" in shown
    if not whole:
        before = "---\n# Whose these are\ngreeting: hello  # kept\n\nlast: 1\nhoneycomb:\n  key: !vault |\n"
        assert path.read_text().startswith(before + "    $ANSIBLE_VAULT;1.2;AES256;dev\n    ")


MODULE = """
from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.community.honeycomb.plugins.module_utils._stores.opening import open_store
from ansible_collections.community.honeycomb.plugins.module_utils._stores.options import complete
from ansible_collections.community.honeycomb.plugins.module_utils._stores.store import (
    Held, Publication, Sessions, StoreError,
)


def main():
    module = AnsibleModule({"store": {"type": "dict"}, "value": {"no_log": True}})
    try:
        store = open_store(complete(module.params["store"]), 10.0, Sessions())
        store.probe([store.entry])
        store.publish({store.entry: Publication(Held(module.params["value"], "id"))})
        module.exit_json(arrived=store.read([store.entry])[store.entry].live == module.params["value"])
    except StoreError as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
"""


def test_it_works_in_a_module(tmp_path: Path, password_file: Path, run_playbook: Callable[..., Any]) -> None:
    """What Ansible sends along of itself with a module hides the rest of ansible-core."""
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "bring.py").write_text("#!/usr/bin/python\n" + MODULE)
    play = f"""
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Bring
      bring:
        value: {ONE.value}
        store:
          type: ansible_vault
          path: {tmp_path}/key.yml
          format: yaml
          entry: key
          vault_id: x@{password_file}
"""
    result = run_playbook(play)
    assert result.task("Bring")["result"]["arrived"] is True
    assert yaml.load((tmp_path / "key.yml").read_text(), Loader=_Loader) == {"key": ONE.value}


# -- what it keeps -------------------------------------------------------------------------------------------------


def test_a_label_stays(tmp_path: Path, password_file: Path) -> None:
    path = tmp_path / "file"
    path.write_text(sealed("old", "theirs"))
    store(path, password_file, vault_id=f"mine@{password_file}").publish({"": Publication(ONE, "old")})
    assert path.read_text().startswith("$ANSIBLE_VAULT;1.2;AES256;theirs\n")
    assert opened(path.read_text()) == ONE.value
    store(tmp_path / "new", password_file, vault_id=f"mine@{password_file}").publish({"": Publication(ONE)})
    assert (tmp_path / "new").read_text().startswith("$ANSIBLE_VAULT;1.2;AES256;mine\n")


def test_other_values_stay_byte_for_byte(tmp_path: Path, password_file: Path) -> None:
    path = tmp_path / "vars.yml"
    block = "".join(f"          {line}\n" for line in sealed("their own", "theirs").splitlines())
    before = f"# one\na: !vault |\n{block}\n# two\nb: 'x'\nkey: "
    path.write_text(f"{before}!vault |  # ours\n{block}\n# end\n")
    found = store(path, password_file, format="yaml", entry="key")
    assert found.read(["key"])["key"].live == "their own"
    found.publish({"key": Publication(ONE, "their own")})
    text = path.read_text()
    assert text.startswith(f"{before}!vault |  # ours\n  $ANSIBLE_VAULT;1.2;AES256;theirs\n")
    assert text.endswith("\n\n# end\n")
    assert yaml.load(text, Loader=_Loader) == {"a": "their own", "b": "x", "key": ONE.value}


def test_a_clear_value_in_yaml_becomes_an_encrypted_one(tmp_path: Path, password_file: Path) -> None:
    path = tmp_path / "vars.yml"
    path.write_text("key: clear  # so far\n")
    found = store(path, password_file, format="yaml", entry="key")
    found.publish({"key": Publication(ONE, "clear", "hcxik_before")})
    assert path.read_text().startswith("key: !vault |  # so far\n  $ANSIBLE_VAULT;1.1;AES256\n")
    previous = found.read(["key"])["key"].previous
    assert previous and previous.value == "clear"


@pytest.mark.parametrize("options", [{}, {"format": "env", "entry": "A"}, {"format": "json", "entry": "A"}])
def test_a_clear_file_is_not_encrypted_unasked(tmp_path: Path, password_file: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "file"
    path.write_text('{"A": "clear"}' if options.get("format") == "json" else "A=clear\n")
    before = path.read_text()
    found = store(path, password_file, **options)
    with pytest.raises(StoreError, match="is not encrypted"):
        found.probe([found.entry])
    with pytest.raises(StoreError, match="is not encrypted"):
        found.publish({found.entry: Publication(ONE, "clear")})
    assert path.read_text() == before
    assert os.listdir(tmp_path) == ["file"]


# -- passwords -----------------------------------------------------------------------------------------------------


def script(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o700)
    return path


def test_a_script_gives_the_password(tmp_path: Path) -> None:
    source = script(tmp_path / "give", f"cat; echo {shlex.quote(PASSWORD)}")
    found = store(tmp_path / "file", source)
    found.publish({"": Publication(ONE)})
    assert opened((tmp_path / "file").read_text()) == ONE.value


def test_a_client_script_is_told_the_label(tmp_path: Path) -> None:
    source = script(tmp_path / "give-client", 'echo "password of $2"')
    found = store(tmp_path / "file", source, vault_id=f"prod@{source}")
    found.publish({"": Publication(ONE)})
    assert opened((tmp_path / "file").read_text(), "password of prod") == ONE.value


@pytest.mark.parametrize("slot", ["", ".pending", ".previous"])
def test_a_wrong_password_is_told_and_nothing_is_written(tmp_path: Path, password_file: Path, slot: str) -> None:
    path = tmp_path / f"file{slot}"
    path.write_text(sealed("{}", "other", password="another one"))
    before = path.read_text()
    found = store(tmp_path / "file", password_file, vault_id=f"dev@{password_file}")
    for attempt in (lambda: found.probe([""]), lambda: found.read([""])):
        with pytest.raises(StoreError) as caught:
            attempt()
        message = str(caught.value)
        assert message.startswith(f"{path} can't be decrypted with the password of vault id dev ({password_file}).")
        assert "encrypted with the vault id other" in message
        assert PASSWORD not in message
    assert os.listdir(tmp_path) == [path.name]
    assert path.read_text() == before


def test_a_wrong_password_of_a_value_names_its_entry(tmp_path: Path, password_file: Path) -> None:
    path = tmp_path / "vars.yml"
    path.write_text(f"key: !vault {json.dumps(sealed('x', password='another one'))}\n")
    found = store(path, password_file, format="yaml", entry="key")
    before = path.read_text()
    with pytest.raises(StoreError, match=r"vars\.yml, entry key, can't be decrypted"):
        found.probe(["key"])
    with pytest.raises(StoreError, match=r"vars\.yml, entry key, can't be decrypted"):
        found.publish({"key": Publication(ONE, "x")})
    assert path.read_text() == before


def test_what_is_damaged_can_t_be_decrypted(tmp_path: Path, password_file: Path) -> None:
    for text in (sealed("x")[:-30], "$ANSIBLE_VAULT;1.1;AES256\nnot hexadecimal\n", "$ANSIBLE_VAULT;\n"):
        (tmp_path / "file").write_text(text)
        with pytest.raises(StoreError, match="can't be decrypted"):
            store(tmp_path / "file", password_file).read([""])
    (tmp_path / "file").write_text(sealed("x"))
    assert store(tmp_path / "file", password_file).read([""])[""].live == "x", "it still answers"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "not found"),
        (lambda path: path.write_text("") and None, "vault password|password"),
        (lambda path: script(path, "exit 3"), "returned non-zero"),
        (lambda path: script(path, "true"), "password"),
        (lambda path: path.mkdir(), "password"),
    ],
)
def test_no_password_is_told(tmp_path: Path, make: Callable[[Path], Any], message: str) -> None:
    source = tmp_path / "source"
    make(source)
    found = store(tmp_path / "file", source, Sessions())
    for _twice in range(2):
        with pytest.raises(StoreError, match=rf"there is no password from {source}: .*{message}"):
            found.probe([""])
    assert not (tmp_path / "file").exists()


def test_a_script_that_hangs_is_ended(tmp_path: Path) -> None:
    source = script(tmp_path / "hang", f"echo $$ > {tmp_path}/pid; exec sleep 60")
    given = {"type": "ansible_vault", "path": str(tmp_path / "file"), "vault_password_file": str(source)}
    found = AnsibleVaultStore(complete(given), 6.0, Sessions())
    begin = time.monotonic()
    with pytest.raises(StoreError, match=r"no answer within 6 s.*hang"):
        found.probe([""])
    assert time.monotonic() - begin < 20
    pid = int((tmp_path / "pid").read_text())
    for _attempt in range(50):
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            break
        time.sleep(0.05)
    else:
        pytest.fail("the script still runs")


def test_a_python_without_ansible_is_told(tmp_path: Path, password_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = script(tmp_path / "python", f'exec {sys.executable} -S -E "$@"')
    monkeypatch.setattr(sys, "executable", str(bare))
    with pytest.raises(StoreError, match=r"needs ansible-core where the task runs.*delegate_to: localhost"):
        store(tmp_path / "file", password_file, Sessions()).probe([""])


def test_the_process_ends_with_its_session(tmp_path: Path, password_file: Path) -> None:
    sessions = Sessions()
    found = store(tmp_path / "file", password_file, sessions)
    found.probe([""])
    process = found._vault._process
    assert process and process.poll() is None
    del found, sessions
    assert process.poll() is not None


def test_many_places_share_one_process(tmp_path: Path, password_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = Sessions()
    started: list[Any] = []
    real = subprocess.Popen

    def count(*arguments: Any, **options: Any) -> Any:
        started.append(arguments)
        return real(*arguments, **options)

    monkeypatch.setattr(subprocess, "Popen", count)

    def work(number: int) -> None:
        store(tmp_path / f"file-{number}", password_file, sessions).publish({"": Publication(THREE)})

    workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(started) == 1
    assert [opened((tmp_path / f"file-{number}").read_text()) for number in range(8)] == [THREE.value] * 8
    assert PASSWORD not in str(started)
    assert THREE.value not in str(started)


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")


@pytest.mark.parametrize(
    ("vault_id", "password_file", "found"),
    [
        ("prod@/a/b", None, ("prod", "/a/b")),
        ("@/a/b", None, ("", "/a/b")),
        ("prod@~/b@c", None, ("prod", "/home/me/b@c")),
        (None, "~/b", ("", "/home/me/b")),
        ("prod", "/a/b", ("prod", "/a/b")),
        ("prod@/a", "/b", ("prod", "/a")),
    ],
)
def test_a_vault_id(home: None, vault_id: str | None, password_file: str | None, found: tuple[str, str]) -> None:
    assert parse_vault_id(vault_id, password_file) == found


@pytest.mark.parametrize(
    ("vault_id", "password_file", "message"),
    [
        (None, None, "needs vault_id"),
        ("", "", "needs vault_id"),
        ("prod", None, "'prod' is a label only"),
        ("prod@", None, "'prod' is a label only"),
        ("prod@prompt", None, "can't prompt"),
        (None, "prompt", "can't prompt"),
        ("prod@prompt_ask_vault_pass", None, "can't prompt"),
    ],
)
def test_no_vault_id(vault_id: str | None, password_file: str | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_vault_id(vault_id, password_file)


def test_the_working_folder_is_not_imported_from(
    tmp_path: Path, password_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "yaml.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    store(tmp_path / "file", password_file, Sessions()).probe([""])
    assert shutil.which("ansible-vault")
