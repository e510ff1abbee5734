# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role api_key_rotation with many keys, with tasks of the user's around it, and with a limited run."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools.workspace import ROOT, clean_environment

ALWAYS = {"max_age": "0s"}

DEPLOY = """---
- name: Write the value
  ansible.builtin.copy:
    content: "{{ api_key_rotation_new_key }}"
    dest: "{{ folder }}/{{ api_key_rotation_new_name }}.value"
    mode: "0600"
"""


def listings(sim: Any) -> int:
    return len(
        [entry for entry in sim.requests if entry.operation == "listApiKeys" and "page[after]" not in entry.query]
    )


def test_many_keys_are_rotated_in_one_run_each_by_its_own_rules(scene: Any) -> None:
    sim = scene.sim
    sim.add_key(name="billing", key_type="configuration", environment="staging", permissions={"send_events": True})
    sim.add_key(name="young", key_type="ingest", environment="production")
    (scene.folder / "named.yml").write_text(DEPLOY)
    sim.forget_requests()

    result = scene.rotate(
        variables={
            "max_age": "0s",
            "keys": [
                {"name": "checkout"},
                {
                    "name": "billing",
                    "key_type": "configuration",
                    "environment": "staging",
                    "overlap": "1d",
                    "deploy_tasks": str(scene.folder / "named.yml"),
                },
                {"name": "young", "max_age": "90d"},
            ],
        }
    )

    assert scene.value() == scene.current().value
    (billing,) = sim.keys(name="billing")
    assert (scene.folder / "billing.value").read_text() == billing.value
    assert billing.permissions["send_events"]
    (retired,) = [key for key in sim.keys() if key.name.startswith("billing [retired")]
    assert not retired.disabled
    assert len([key for key in sim.keys() if key.name.startswith("young")]) == 1
    assert listings(sim) == 3, "one to see what is due, one before the keys are created, and one after"
    assert "billing" in result.output


def test_one_key_that_can_not_be_rotated_does_not_stop_the_others(scene: Any) -> None:
    result = scene.rotate(variables={**ALWAYS, "keys": [{"name": "nobody"}, {"name": "checkout"}]}, expect_rc=2)

    assert "there is no enabled key called 'nobody'" in " ".join(result.output.split())
    assert scene.current().id != scene.old.id
    assert scene.value() == scene.current().value


def test_a_health_check_that_fails_keeps_the_old_key(scene: Any) -> None:
    verify = scene.folder / "verify.yml"
    verify.write_text("---\n- name: Check\n  ansible.builtin.fail:\n    msg: the application did not reload\n")

    result = scene.rotate(variables={**ALWAYS, "verify_tasks": str(verify)}, expect_rc=2)

    assert "the application did not reload" in result.output
    assert not scene.sim.key(scene.old.id).disabled
    assert scene.current().id == scene.old.id


def test_others_are_told_of_a_rotation_without_the_value(scene: Any) -> None:
    notify = scene.folder / "notify.yml"
    notify.write_text(
        """---
- name: Write it down
  ansible.builtin.copy:
    content: "{{ api_key_rotation_result | to_json }}"
    dest: "{{ folder }}/told.json"
    mode: "0600"
"""
    )
    scene.rotate(variables={**ALWAYS, "notify_tasks": str(notify)})

    told = (scene.folder / "told.json").read_text()
    assert scene.current().id in told
    assert not [secret for secret in scene.sim.issued_secrets() if secret in told]


def test_a_limited_run_is_refused_unless_all_consumers_are_named(scene: Any) -> None:
    hosts = "web1,web2"
    result = scene.rotate(hosts, variables=ALWAYS, limit="web1", expect_rc=2)
    assert "This run is limited to web1" in " ".join(result.output.split())

    variables = {**ALWAYS, "consumers": ["web1", "web2"]}
    result = scene.rotate(hosts, variables=variables, limit="web1", expect_rc=2)
    assert "checkout: no new key was created, since web2 took no part in this play." in " ".join(result.output.split())
    assert not scene.sim.key(scene.old.id).disabled
    assert not [request for request in scene.sim.requests if "retired" in str(request.body)]


def test_the_role_twice_in_one_play_rotates_twice(scene: Any, run_playbook: Callable[..., Any]) -> None:
    sim, folder = scene.sim, scene.folder
    playbook = f"""---
- name: Rotate
  hosts: localhost
  gather_facts: false
  vars:
    api_key_rotation_name: checkout
    api_key_rotation_key_type: ingest
    api_key_rotation_environment: production
    api_key_rotation_max_age: 0s
    api_key_rotation_deploy_tasks: "{folder}/deploy.yml"
    folder: "{folder}"
  tasks:
    - name: Rotate
      ansible.builtin.include_role:
        name: community.honeycomb.api_key_rotation

    - name: And once more
      ansible.builtin.include_role:
        name: community.honeycomb.api_key_rotation
"""
    run_playbook(playbook)

    assert len(scene.generations()) == 3
    assert scene.value() == scene.current().value
    assert len([key for key in sim.keys() if not key.disabled]) == 1


@pytest.mark.slow
def test_fifty_keys_take_as_many_looks_as_one(scene: Any) -> None:
    """What grows with the number of keys is only what has to be done for each of them."""
    sim = scene.sim
    names = [f"service-{number}" for number in range(50)]
    for name in names:
        sim.add_key(name=name, key_type="ingest", environment="production")
    store = scene.folder / "nothing.yml"
    store.write_text("---\n")

    def requests_for(chosen: list[str]) -> Counter[str]:
        sim.forget_requests()
        scene.rotate(variables={**ALWAYS, "keys": [{"name": name} for name in chosen], "deploy_tasks": str(store)})
        return Counter(entry.operation for entry in sim.requests if "page[after]" not in entry.query)

    for_each = ("createApiKey", "getApiKey", "updateApiKey", "getAuth")
    one = requests_for(["checkout"])
    fifty = requests_for(names)
    assert one["listApiKeys"] == 3
    assert fifty == {what: count * 50 if what in for_each else count for what, count in one.items()}
    assert len([key for key in sim.keys() if not key.disabled]) == 51


@pytest.mark.parametrize("overlap", ["0s", "24h"])
def test_a_telemetry_sdk_sends_all_along_and_nothing_is_refused(scene: Any, tmp_path: Path, overlap: Any) -> None:
    sim = scene.sim
    status = tmp_path / "sender.status"
    deploy = scene.folder / "deploy.yml"
    deploy.write_text(
        deploy.read_text()
        + f"""
- name: Wait until the sender uses it
  ansible.builtin.wait_for:
    path: "{status}"
    search_regex: "{{{{ api_key_rotation_new_id }}}}"
    timeout: 30
    sleep: 1
"""
    )
    command = [
        sys.executable,
        str(ROOT / "demo" / "sender.py"),
        sim.url,
        str(Path(scene.folder, "localhost.key")),
        str(status),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=clean_environment(tmp_path)) as sender:
        try:
            scene.rotate(variables={**ALWAYS, "overlap": overlap})
            sim.advance(24 * 3600 + 60)
            scene.rotate(variables={"overlap": overlap})
            time.sleep(1)
            assert sender.poll() is None
        finally:
            sender.stdin.close()
            sender.wait(timeout=20)
    assert sim.key(scene.old.id).disabled
    assert sim.events[scene.old.id]["accepted"] > 0
    assert sim.events[scene.current().id]["accepted"] > 0
    assert sim.refused == 0
