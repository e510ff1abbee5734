# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs what the README, the guides and the roles' READMEs show, as a reader would, against the simulator.

A YAML block whose first line is a comment with a file name, or that has it as caption, is that file. The commands of
console blocks are run in the order of the page, in a folder with its files: what runs in check mode may change nothing,
and neither may a command that comes again right after itself. The other YAML blocks are tasks; those of a page are run
in one play, at its end. What is not run is named here, with the reason.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from simulator import Simulator
from tools.workspace import ROOT

GUIDES = "docs/docsite/rst"
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in [ROOT / "README.md", *ROOT.glob("roles/*/README.md"), *ROOT.glob(f"{GUIDES}/*.rst")]
)

# What the hosts of the examples have, on the one machine that plays all of them
HOSTS: dict[str, Any] = {
    "ansible_connection": "local",
    "ansible_python_interpreter": "{{ ansible_playbook_python }}",
    "key_file": "{{ playbook_dir }}/{{ inventory_hostname }}.key",
    "reload_command": f"{shlex.quote(sys.executable)} -c pass",
}


def key(name: str, environment: str = "production", key_type: str = "ingest", days: float = 100, **more: Any) -> dict:
    return {"name": name, "environment": environment, "key_type": key_type, "days": days, **more}


@dataclass
class Scene:
    """What a page takes for granted: keys in Honeycomb, and files of other pages."""

    keys: list[dict] = field(default_factory=list)
    files_of: list[str] = field(default_factory=list)
    # Names of keys whose values are in keys/NAME.key
    stored: list[str] = field(default_factory=list)
    # Names of keys that have a successor when the page was read
    replaced: list[str] = field(default_factory=list)
    # How much later a playbook is run for the first time
    later: dict[str, timedelta] = field(default_factory=dict)
    # What the preview of a playbook (--check --diff) shows
    preview: dict[str, str] = field(default_factory=dict)


SCENES: dict[Any, Any] = {
    # Creates the key that it rotates later, when it is old enough.
    "README.md": Scene(
        [key("web")],
        replaced=["checkout", "web"],
        later={"rotate.yml": timedelta(days=91)},
        preview={"first-key.yml": '+    "name": "checkout"'},
    ),
    f"{GUIDES}/guide_getting_started.rst": Scene(preview={"first-key.yml": '+    "name": "checkout"'}),
    "roles/api_key_rotation/README.md": Scene(
        [
            key("checkout"),
            key("web"),
            key("billing"),
            key("search", days=10),
            key("deployments", key_type="configuration"),
        ],
        replaced=["checkout", "web", "billing", "deployments"],
    ),
    f"{GUIDES}/guide_rotation.rst": Scene(
        [
            key("checkout"),
            key("billing"),
            key("search", days=10),
            key("search-staging", "staging", days=10),
            key("deployments", key_type="configuration"),
            key("shipping"),
        ],
        replaced=["checkout", "billing", "deployments", "shipping"],
    ),
    f"{GUIDES}/runbook_rotation.rst": Scene(
        [
            key("checkout", days=10),
            # Replaced an hour ago, and disabled: what can be restored
            key("checkout [retired {an_hour_ago} off]", days=100, disabled=True),
        ],
        files_of=[f"{GUIDES}/guide_rotation.rst"],
        replaced=["checkout"],
    ),
    f"{GUIDES}/guide_many_keys.rst": Scene(preview={"services.yml": '+    "svc-accounts (ingest, production)": {'}),
    f"{GUIDES}/guide_audit.rst": Scene(
        [key("checkout"), key("deployments", key_type="configuration", days=1)], stored=["checkout"]
    ),
}

# Pages that another test runs, with more to look at
ELSEWHERE = {
    "roles/environment_provision/README.md": "test_environment_provision.py",
    f"{GUIDES}/guide_provisioning.rst": "test_environment_provision.py",
    f"{GUIDES}/guide_stores.rst": "test_guides_stores.py",
}

# Commands that are not run, by their first word
NOT_RUN = {
    "export": "the test sets these variables, for the simulator",
    "read": "asks a person for a secret",
    "git": "would clone from the network",
    "cd": "goes with git",
    "make": "would run the tests in the tests; test_commands_exist looks for the targets",
    "python3": "would install from the network",
    "ansible-galaxy": "test_installation_from_a_clone runs these",
}


@dataclass
class Block:
    """A code block of a page."""

    language: str
    text: str
    caption: str | None = None

    @property
    def file_name(self) -> str | None:
        match = re.match(r"# ([\w.-]+\.yml)\n", self.text)
        return match.group(1) if match else self.caption

    @property
    def commands(self) -> list[str]:
        return [line[2:] for line in self.text.splitlines() if line.startswith("$ ")]


def blocks(page: str) -> list[Block]:
    """The code blocks of a page, in order."""
    text = (ROOT / page).read_text()
    if page.endswith(".md"):
        found = re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        return [Block(match[1], match[2]) for match in found]
    return blocks_of(text)


def blocks_of(text: str) -> list[Block]:
    """The code blocks of a text in reStructuredText."""
    found = re.finditer(
        r"^\.\. code-block:: (\w+)\n(?:   :caption: (.*)\n)?((?:\n|[ ]{3}.*\n)+)", text + "\n", re.MULTILINE
    )
    return [
        Block(match[1], re.sub(r"^ {3}", "", match[3], flags=re.MULTILINE).strip("\n") + "\n", match[2])
        for match in found
    ]


def yaml_blocks(page: str) -> list[Block]:
    return [block for block in blocks(page) if block.language == "yaml"]


def files(page: str) -> dict[str, str]:
    """The files that a page shows, by name."""
    return {block.file_name: block.text for block in yaml_blocks(page) if block.file_name}


def is_playbook(text: str) -> bool:
    content = yaml.safe_load(text)
    return isinstance(content, list) and all("hosts" in play for play in content)


def prepare(page: str, sim: Any, folder: Path) -> dict[str, str]:
    """Make what a page takes for granted; return the ids of its keys by name."""
    ids = {}
    scene = SCENES.get(page, Scene())
    moment = sim.now()
    for wanted in scene.keys:
        details = dict(wanted)
        created = moment - timedelta(days=details.pop("days"))
        an_hour_ago = moment - timedelta(hours=1)
        details["name"] = details["name"].format(an_hour_ago=an_hour_ago.strftime("%Y%m%dT%H%M%SZ"))
        updated = an_hour_ago if details.get("disabled") else created
        made = sim.add_key(created=created, updated=updated, **details)
        ids[made.name] = made.id
        if made.name in scene.stored:
            (folder / "keys").mkdir(exist_ok=True)
            (folder / "keys" / f"{made.name}.key").write_text(made.value)
    for source in [*scene.files_of, page]:
        for name, text in files(source).items():
            (folder / name).write_text(text)
    return ids


def everything(sim: Any, folder: Path) -> tuple:
    """What a command that changes nothing leaves as it is."""
    keys = [(key.id, key.name, key.disabled, key.updated) for key in sim.keys()]
    written = [(path, path.stat().st_mtime_ns) for path in folder.rglob("*") if ".ansible" not in path.parts]
    return sorted(keys), sim.environments, sorted(written)


def run(command: list[str], folder: Path, env: dict[str, str]) -> str:
    program = {"ansible-playbook": ["playbook"], "ansible-doc": ["doc"]}[command[0]]
    arguments = command[1:]
    if "-i" in command:
        arguments += ["--extra-vars", json.dumps(HOSTS)]
    process = subprocess.run(
        [sys.executable, "-m", "ansible", *program, *arguments],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    output = process.stdout + process.stderr
    if process.returncode:
        pytest.fail(f"{shlex.join(command)} ended with {process.returncode}:\n{output}", pytrace=False)
    return output


@pytest.mark.parametrize("page", [page for page in PAGES if page not in ELSEWHERE and yaml_blocks(page)])
def test_what_a_page_shows_runs(page: Any, sim: Simulator, ansible_environment: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "reader"
    folder.mkdir()
    ids = prepare(page, sim, folder)
    password = tmp_path / "vault-password"
    password.write_text("not a real one\n")
    shown = files(page)
    playbooks = [name for name, text in shown.items() if is_playbook(text)]
    output = ""

    started: set[str] = set()
    scene = SCENES.get(page, Scene())
    consoles = [block for block in blocks(page) if block.language == "console"]
    commands = [shlex.split(command) for block in consoles for command in block.commands]
    for before, command in zip([[], *commands], commands, strict=False):
        if command[0] in NOT_RUN:
            continue
        for name in scene.later.keys() & set(command) - started:
            ids.update({key.name: key.id for key in sim.keys(environment="production")})
            sim.advance(scene.later[name].total_seconds())
        state = everything(sim, folder)
        shown_now = run(command, folder, ansible_environment)
        if "--diff" in command:
            expected = [text for name, text in scene.preview.items() if name in command]
            assert all(text in shown_now for text in expected), f"{shlex.join(command)} shows no difference"
        output += shown_now
        if "--check" in command or command == before:
            assert everything(sim, folder) == state, f"{shlex.join(command)} changed something"
        started.update(command)
    for name in playbooks:
        if name not in started:  # shown without the command that starts it
            output += run(["ansible-playbook", name], folder, ansible_environment)

    tasks = [task for block in yaml_blocks(page) if not block.file_name for task in yaml.safe_load(block.text)]
    if tasks:
        play = {
            "name": "The tasks of the page",
            "hosts": "localhost",
            "gather_facts": False,
            "tasks": tasks,
            "vars": {"vault_password_file": str(password)},
        }
        (folder / "tasks-of-the-page.yml").write_text(yaml.safe_dump([play], sort_keys=False))
        output += run(["ansible-playbook", "tasks-of-the-page.yml"], folder, ansible_environment)

    for name in scene.replaced:
        (current,) = sim.keys(name=name)
        assert current.id != ids[name] and not current.disabled

    for path in (folder / "keys").rglob("*.key"):
        values = [key.value for key in sim.keys(name=path.stem)]
        assert path.read_text() in values, f"{path} does not hold the value of its key"
    leaked = [secret for secret in sim.issued_secrets() if secret in output]
    assert not leaked, "an example shows a secret"


def test_commands_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        text = (ROOT / page).read_text()
        named = set(re.findall(r"(?:^\$ |`)make ([a-z][\w-]*)", text, re.MULTILINE))
        assert named <= targets, f"{page} names make targets that there are not"


def test_every_page_is_listed_and_every_link_leads_somewhere() -> None:
    listed = yaml.safe_load((ROOT / "docs/docsite/extra-docs.yml").read_text())["sections"]
    pages = {name for section in listed for name in section["toctree"]}
    assert pages == {path.stem for path in (ROOT / GUIDES).glob("*.rst")}
    for page in (page for page in PAGES if page.endswith(".md")):
        links = re.findall(r"\]\((?!https?://)([^)]+)\)", (ROOT / page).read_text())
        assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == []


def test_installation_from_a_clone(collections_path: Path, ansible_environment: dict[str, str], tmp_path: Path) -> None:
    """The commands of the README's section about it."""
    clone = tmp_path / "clone"
    shutil.copytree(collections_path / "ansible_collections" / "community" / "honeycomb", clone)
    env = {**ansible_environment, "ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "installed")}
    shown = [command for block in blocks("README.md") for command in block.commands]
    commands = [command for command in shown if command.startswith("ansible-galaxy")]
    assert len(commands) == 2
    for command in commands:
        subprocess.run(
            [sys.executable, "-m", "ansible", "galaxy", *shlex.split(command)[1:]],
            cwd=clone,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=120,
        )
    place = tmp_path / "installed" / "ansible_collections" / "community" / "honeycomb"
    assert (place / "plugins" / "modules" / "honeycomb_api_key.py").exists()


def test_the_role_readmes_name_every_variable() -> None:
    for specs in ROOT.glob("roles/*/meta/argument_specs.yml"):
        role = specs.parents[1]
        options = yaml.safe_load(specs.read_text())["argument_specs"]["main"]["options"]
        readme = (role / "README.md").read_text()
        if "## Variables" in readme:
            missing = [name for name in options if f"`{name.removeprefix(role.name + '_')}`" not in readme]
            assert not missing, f"{role.name}/README.md does not name {missing}"
