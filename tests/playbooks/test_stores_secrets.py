# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""With a store, a value is in the store and nowhere else, however much a run is made to tell."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import ansible_runner
import pytest

from simulator import Simulator
from tools.leaks import leaked, text_of

# Creates, finds nothing to do, replaces, rotates, brings back, provisions, and reads: every way in which a value moves.
PLAYBOOK = """---
- name: Move values in every way
  hosts: localhost
  gather_facts: false
  vars:
    store:
      type: file
      path: "{{ folder }}/kept/{name}.key"
  module_defaults:
    group/community.honeycomb.honeycomb:
      timeout: 20
  tasks:
    - name: Create one
      community.honeycomb.honeycomb_api_key:
        name: one
        key_type: configuration
        environment: production
        store: "{{ store }}"
      register: one

    - name: Create many
      community.honeycomb.honeycomb_api_keys:
        key_type: ingest
        environment: production
        store: "{{ store }}"
        api_keys:
          - name: two
          - name: three
            state: disabled
          - name: adopted
            on_missing: replace
      register: many

    - name: Rotate
      ansible.builtin.include_role:
        name: community.honeycomb.api_key_rotation
      vars:
        api_key_rotation_keys:
          - name: old
        api_key_rotation_key_type: ingest
        api_key_rotation_environment: production
        api_key_rotation_overlap: 1h
        api_key_rotation_store: "{{ store }}"

    - name: Provision
      ansible.builtin.include_role:
        name: community.honeycomb.environment_provision
      vars:
        environment_provision_name: Staging
        environment_provision_services:
          - name: four
        environment_provision_store: "{{ store }}"

    - name: Read one, as a template does
      community.honeycomb.honeycomb_auth_info:
        key: "{{ lookup('community.honeycomb.stored_key', 'one', store=store) }}"
      no_log: true

    - name: Show everything that Ansible knows
      ansible.builtin.debug:
        var: hostvars['localhost']
"""
FAILING = """---
- name: Fail at every point at which a value is known
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Create many
      community.honeycomb.honeycomb_api_keys:
        key_type: ingest
        environment: production
        verify_time: 1s
        store:
          type: file
          path: "{{ folder }}/kept/{name}.key"
        api_keys:
          - name: two
          - name: three
      register: many
      ignore_errors: true

    - name: Show it
      ansible.builtin.debug:
        var: many
"""


@contextmanager
def watched(found: list[str], folder: Path) -> Iterator[None]:
    """The arguments and the environment of every process, all along (``ps``). Only where there is /proc."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            for path in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    try:
                        found.append((path / name).read_bytes().decode("utf-8", "replace"))
                    except OSError:
                        continue
            # Most of them have been seen before.
            found[:] = list(set(found))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@pytest.fixture
def kept(sim: Simulator, tmp_path: Path) -> Path:
    """The store, with the value of a key that is due to be rotated."""
    folder = tmp_path / "kept"
    folder.mkdir()
    sim.add_key("adopted", "ingest", "production")
    old = sim.add_key("old", "ingest", "production", created=sim.now() - timedelta(days=100))
    (folder / "old.key").write_text(old.value)
    return folder


def logged(tmp_path: Path) -> dict[str, str]:
    """Settings that make Ansible write down as much as it can."""
    return {
        "ANSIBLE_CACHE_PLUGIN": "ansible.builtin.jsonfile",
        "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(tmp_path / "facts"),
        "ANSIBLE_LOG_PATH": str(tmp_path / "ansible.log"),
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local-temp"),
        "ANSIBLE_REMOTE_TEMP": str(tmp_path / "remote-temp"),
    }


@pytest.mark.parametrize("playbook", [PLAYBOOK, FAILING], ids=["success", "failure"])
def test_a_value_is_in_the_store_and_nowhere_else(
    playbook: str, sim: Simulator, kept: Path, run_playbook: Callable[..., Any], tmp_path: Path
) -> None:
    if playbook == FAILING:
        sim.fail(operation="getAuth", effect="status", status=403, shape="legacy", times=None)
    processes: list[str] = []
    with watched(processes, tmp_path):
        result = run_playbook(
            playbook, extra_vars={"folder": str(tmp_path)}, verbosity=4, diff=True, env=logged(tmp_path)
        )

    assert leaked(sim, result.output) == []
    # The management key is in the environment of processes, as the user gave it.
    management = sim.environment_variables()["HONEYCOMB_KEY_SECRET"]
    assert leaked(sim, "\n".join(processes), allowed=[management]) == []
    # Everything below: homes, temporary folders, the fact cache, the log, the record of each task's result.
    stored = [path for path in kept.rglob("*") if path.is_file()]
    assert leaked(sim, text_of(tmp_path, but=stored)) == []
    assert (tmp_path / "ansible.log").stat().st_size > 1000
    if playbook == PLAYBOOK:
        live = {path.stem: path.read_text() for path in kept.glob("*.key")}
        named = {key.name: key.value for key in sim.keys() if "[" not in key.name}
        waiting = named.pop("three")
        assert live == named, "the search would have found them"
        assert waiting in (kept / "three.key.pending").read_text()


def test_nothing_is_in_what_ansible_runner_keeps(
    sim: Simulator, kept: Path, ansible_environment: dict[str, str], tmp_path: Path
) -> None:
    """As AWX runs it. The file `command` keeps the environment, and the management key with it; see the guide."""
    private = tmp_path / "runner"
    private.mkdir()
    playbook = tmp_path / "values.yml"
    playbook.write_text(PLAYBOOK)
    run = ansible_runner.run(
        private_data_dir=str(private),
        playbook=str(playbook),
        envvars=ansible_environment,
        extravars={"folder": str(tmp_path)},
        verbosity=4,
        quiet=True,
        ident="values",
    )

    assert run.status == "successful", run.stdout.read()
    artifacts = private / "artifacts" / "values"
    assert len(list((artifacts / "job_events").iterdir())) > 10
    assert leaked(sim, text_of(artifacts, but=[artifacts / "command"])) == []


def test_the_result_says_where_a_value_is_and_how_to_compare_it(
    sim: Simulator, kept: Path, run_playbook: Callable[..., Any], tmp_path: Path
) -> None:
    result = run_playbook(PLAYBOOK, extra_vars={"folder": str(tmp_path)})
    one = result.task("Create one")["result"]
    assert "key" not in one and "secret" not in one
    assert one["stored"]["place"] == str(kept / "one.key")
    assert len(one["stored"]["fingerprint"]) == 12
    many = result.task("Create many")["result"]
    assert many["created"] == []
    told = {row["name"]: (row["action"], row.get("stored", {}).get("slot")) for row in many["api_keys"]}
    assert told["two"] == ("create", "live")
    assert told["three"] == ("create", "pending")
    assert told["adopted"] == ("replace", "live")
    assert json.dumps(many).count("retired") >= 1
