# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A scene for the tests of the role api_key_rotation: a key in use by some hosts, and a playbook that rotates it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

PLAYBOOK = """---
- name: Rotate
  hosts: {hosts}
  gather_facts: false
  serial: {serial}
  tasks:
    - name: Rotate
      ansible.builtin.include_role:
        name: community.honeycomb.api_key_rotation
      vars:
        api_key_rotation_name: {name}
        api_key_rotation_key_type: ingest
        api_key_rotation_environment: production
        api_key_rotation_deploy_tasks: "{folder}/deploy.yml"
"""

# Every host keeps its value in a file of its own. A host named in `broken` fails.
DEPLOY = """---
- name: Fail where the test wants it
  ansible.builtin.fail:
    msg: this host is broken
  when: inventory_hostname in (broken | default([]))

- name: Write the value
  ansible.builtin.copy:
    content: "{{ api_key_rotation_new_key }}"
    dest: "{{ folder }}/{{ inventory_hostname }}.key"
    mode: "0600"
"""


class Scene:
    """A key in use by some hosts, and a playbook that rotates it."""

    def __init__(self, sim: Any, run_playbook: Callable[..., Any], folder: Path, name: str = "checkout") -> None:
        self.sim = sim
        self._run = run_playbook
        self.folder = folder
        self.name = name
        self.old = sim.add_key(
            name=name, key_type="ingest", environment="production", permissions={"create_datasets": True}
        )
        folder.mkdir(exist_ok=True)
        (folder / "deploy.yml").write_text(DEPLOY)
        (folder / "localhost.key").write_text(self.old.value)

    def playbook(self, hosts: str = "localhost", serial: str = '"100%"') -> Path:
        """Write the playbook."""
        path = self.folder / "rotate.yml"
        path.write_text(PLAYBOOK.format(hosts=hosts, serial=serial, folder=self.folder, name=self.name))
        return path

    def variables(self, options: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Extra variables: the role's, given without their prefix, and those of the deployment."""
        prefixed = {f"api_key_rotation_{name}": value for name, value in options.items()}
        return {**prefixed, "folder": str(self.folder), **more}

    def rotate(
        self,
        hosts: str = "localhost",
        serial: str = '"100%"',
        variables: dict[str, Any] | None = None,
        broken: list[str] | None = None,
        **options: Any,
    ) -> Any:
        """Run the role. ``variables`` are the role's, without their prefix; ``broken`` hosts can't be deployed to."""
        more: dict[str, Any] = {"broken": broken or []}
        if hosts != "localhost":
            inventory = self.folder / "hosts.yml"
            entries = {"vars": {"ansible_connection": "local"}, "hosts": dict.fromkeys(hosts.split(","), {})}
            inventory.write_text(json.dumps({"all": entries}))
            options["inventory"] = inventory
            more["ansible_python_interpreter"] = "{{ ansible_playbook_python }}"
        playbook = self.playbook("all" if hosts != "localhost" else hosts, serial)
        return self._run(playbook, extra_vars=self.variables(variables or {}, **more), **options)

    def value(self, host: str = "localhost") -> str:
        return (self.folder / f"{host}.key").read_text()

    def generations(self) -> list[Any]:
        """Every key that carries the name, with or without a mark."""
        return [key for key in self.sim.keys() if key.name == self.name or key.name.startswith(f"{self.name} [")]

    def current(self) -> Any:
        """The one key that carries the name without a mark."""
        (found,) = [key for key in self.sim.keys() if key.name == self.name]
        return found

    def accepted(self, host: str = "localhost") -> bool:
        """Whether the service accepts what the host uses."""
        headers = {"X-Honeycomb-Team": self.value(host)}
        return requests.get(f"{self.sim.url}/1/auth", headers=headers, timeout=10).status_code == 200


@pytest.fixture
def scene(sim: Any, run_playbook: Callable[..., Any], tmp_path: Path) -> Scene:
    return Scene(sim, run_playbook, tmp_path / "checkout")


@pytest.fixture
def new_scene(sim: Any, run_playbook: Callable[..., Any], tmp_path: Path) -> Callable[[str], Scene]:
    """More scenes in the same simulator, each with a key of its own."""
    return lambda name: Scene(sim, run_playbook, tmp_path / name, name)
