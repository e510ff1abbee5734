# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No value leaves its path: not in the output, the job events, the caches or the temporary files of a rotation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ansible_runner
import pytest

from tools.leaks import leaked, text_of

STORE = """---
- name: Write the value
  ansible.builtin.copy:
    content: "{{ honeycomb_key.value }}"
    dest: "{{ folder }}/stored.key"
    mode: "0600"

- name: Read it back
  ansible.builtin.set_fact:
    honeycomb_stored_value: "{{ lookup('ansible.builtin.file', folder ~ '/stored.key') }}"
"""


@pytest.fixture
def options(scene: Any) -> dict[str, Any]:
    store = scene.folder / "store.yml"
    store.write_text(STORE)
    return {"max_age": "0s", "lock_time": "0s", "store_tasks": str(store)}


def kept(scene: Any) -> list[Any]:
    """The files that are to hold values."""
    return [scene.folder / "localhost.key", scene.folder / "stored.key"]


@pytest.mark.parametrize("fault", [None, "getAuth"], ids=["success", "failure"])
def test_nothing_is_shown_at_the_highest_verbosity(scene: Any, options: Any, tmp_path: Path, fault: Any) -> None:
    cache = tmp_path / "facts"
    env = {
        "ANSIBLE_CACHE_PLUGIN": "ansible.builtin.jsonfile",
        "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(cache),
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local-temp"),
        "ANSIBLE_REMOTE_TEMP": str(tmp_path / "remote-temp"),
    }
    if fault:
        scene.sim.fail(operation=fault, effect="status", status=403, shape="legacy", times=None)
        options["verify_time"] = "1s"

    result = scene.rotate(variables=options, verbosity=4, diff=True, env=env, expect_rc=2 if fault else 0)

    assert leaked(scene.sim, result.output) == []
    # Everything below: homes, temporary folders, fact caches, the record of each task's result.
    assert leaked(scene.sim, text_of(tmp_path, but=kept(scene))) == []
    if not fault:
        assert scene.value() == scene.current().value, "the search would have found it"


def test_nothing_is_in_the_job_events_of_ansible_runner(
    scene: Any, options: Any, ansible_environment: dict[str, str], tmp_path: Path
) -> None:
    """As AWX runs it. The file `command` keeps the environment, and the management key with it; see the guide."""
    private = tmp_path / "runner"
    private.mkdir()
    playbook = scene.playbook()
    run = ansible_runner.run(
        private_data_dir=str(private),
        playbook=str(playbook),
        envvars=ansible_environment,
        extravars=scene.variables(options),
        verbosity=4,
        quiet=True,
        ident="rotation",
    )

    assert run.status == "successful", run.stdout.read()
    artifacts = private / "artifacts" / "rotation"
    assert len(list((artifacts / "job_events").iterdir())) > 10
    assert leaked(scene.sim, text_of(artifacts, but=[artifacts / "command"])) == []
