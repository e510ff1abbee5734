# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role api_key_rotation, run for real against the simulator."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

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
        api_key_rotation_name: checkout
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

    def __init__(self, sim, run_playbook, folder: Path) -> None:
        self.sim = sim
        self._run = run_playbook
        self.folder = folder
        self.old = sim.add_key(
            name="checkout", key_type="ingest", environment="production", permissions={"create_datasets": True}
        )
        (folder / "deploy.yml").write_text(DEPLOY)

    def rotate(self, hosts: str = "localhost", serial: str = '"100%"', **options):
        variables = {f"api_key_rotation_{name}": value for name, value in options.pop("variables", {}).items()}
        variables.update(folder=str(self.folder), broken=options.pop("broken", []))
        if hosts != "localhost":
            inventory = self.folder / "hosts.yml"
            names = hosts.split(",")
            inventory.write_text(
                json.dumps({"all": {"vars": {"ansible_connection": "local"}, "hosts": dict.fromkeys(names, {})}})
            )
            options["inventory"] = inventory
            variables["ansible_python_interpreter"] = "{{ ansible_playbook_python }}"
        playbook = PLAYBOOK.format(hosts="all" if hosts != "localhost" else hosts, serial=serial, folder=self.folder)
        return self._run(playbook, extra_vars=variables, **options)

    def value(self, host: str = "localhost") -> str:
        return (self.folder / f"{host}.key").read_text()

    def key(self, name: str):
        (found,) = [key for key in self.sim.keys() if key.name == name]
        return found

    def marked(self, mark: str) -> list:
        return [key for key in self.sim.keys() if key.name.startswith(f"checkout [{mark}")]


@pytest.fixture
def scene(sim, run_playbook, tmp_path):
    return Scene(sim, run_playbook, tmp_path)


ALWAYS = {"max_age": "0s"}


def test_a_key_is_replaced_then_disabled_then_deleted(scene):
    scene.rotate(variables=ALWAYS)

    new = scene.key("checkout")
    assert new.id != scene.old.id
    assert scene.value() == new.value
    assert not new.disabled
    assert new.permissions["create_datasets"], "permissions are carried over"
    old = scene.sim.key(scene.old.id)
    assert old.disabled
    assert old.name.startswith("checkout [retired ")

    scene.rotate()
    assert scene.sim.key(scene.old.id), "a disabled key is kept for the grace period"

    scene.sim.advance(48 * 3600 + 60)
    result = scene.rotate()
    assert scene.sim.key(scene.old.id) is None
    assert scene.key("checkout").id == new.id
    assert "its grace period is over" in result.output


def test_a_young_key_is_left_alone(scene):
    result = scene.rotate()

    assert scene.key("checkout").id == scene.old.id
    assert result.stats["localhost"]["changed"] == 0
    assert not [request for request in scene.sim.requests if request.method != "GET"]


def test_a_fleet_in_batches_gets_one_new_key(scene):
    scene.rotate("web1,web2,web3", serial="1", variables=ALWAYS)

    new = scene.key("checkout")
    assert [scene.value(host) for host in ("web1", "web2", "web3")] == [new.value] * 3
    assert scene.sim.key(scene.old.id).disabled
    assert len([request for request in scene.sim.requests if request.operation == "createApiKey"]) == 1


@pytest.mark.parametrize("serial", ["1", '"100%"'])
@pytest.mark.parametrize("broken", ["web1", "web2", "web3"])
def test_a_broken_host_keeps_the_old_key_enabled_and_the_next_run_finishes(scene, serial, broken):
    result = scene.rotate("web1,web2,web3", serial=serial, variables=ALWAYS, broken=[broken], expect_rc=2)

    assert not scene.sim.key(scene.old.id).disabled
    assert scene.key("checkout").id == scene.old.id
    if serial != "1":
        assert f"Not every consumer has the new value of checkout: {broken}." in " ".join(result.output.split())

    scene.rotate("web1,web2,web3", serial=serial, variables={**ALWAYS, "lock_time": "0s"})
    new = scene.key("checkout")
    assert [scene.value(host) for host in ("web1", "web2", "web3")] == [new.value] * 3
    assert [key.id for key in scene.sim.keys() if not key.disabled] == [new.id]
