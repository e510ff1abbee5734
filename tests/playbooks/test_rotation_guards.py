# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role api_key_rotation refuses before it writes anything, and what one key does not do to the others."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.leaks import leaked

from .shapes import HOSTS, Fleet, Shape

ALWAYS = {"max_age": "0s"}


@pytest.fixture
def new_fleet(sim: Any, run_playbook: Callable[..., Any], tmp_path: Path) -> Callable[..., Fleet]:
    def build(**shape: Any) -> Fleet:
        fleet = Fleet(sim, run_playbook, tmp_path, Shape("guard", **shape))
        sim.advance(2 * 24 * 3600)
        return fleet

    return build


def play_vars(**variables: Any) -> dict[str, Any]:
    return {"vars": {f"api_key_rotation_{name}": value for name, value in variables.items()}}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a consumer that is not there": (
        {"consumers": ["web1", "web9"]},
        "there is no host or group web9 in the inventory",
    ),
    "hosts that are not there": (
        {"keys": [{"name": "checkout", "hosts": ["db"]}]},
        "api_key_rotation_keys[0].hosts: there is no host or group db in the inventory",
    ),
    "a time that can't be read": ({"verify_time": "soon"}, "api_key_rotation_verify_time: 'soon' is not a duration"),
    "a lead that can't be read": ({"lead": 3}, "api_key_rotation_lead: 3 is not a duration"),
    "a window that can't be read": ({"window": ["nights"]}, "window: 'nights' is not a window"),
    "an overlap that never ends": ({"overlap": "1d", "max_age": "1d"}, "overlap (1d) is not shorter than max_age (1d)"),
    "an unknown name": ({"only": ["chekout"]}, "Did you mean checkout?"),
    "nothing to deploy with": (
        {"keys": [{"name": "checkout", "deploy_tasks": None}], "deploy_tasks": ""},
        "checkout: nothing says how a new value reaches the application",
    ),
    "tasks of an unknown module": ({"deploy_tasks": "{folder}/unknown.yml"}, "unknown.yml can't be read as tasks: "),
    "tasks that are none": ({"verify_tasks": "{folder}/text.yml"}, "text.yml is not a list of tasks."),
    "tasks with bad YAML": ({"deploy_tasks": "{folder}/bad.yml"}, "bad.yml can't be read as tasks: "),
}


@pytest.mark.parametrize("check", [pytest.param(False, marks=pytest.mark.slow), True], ids=["run", "check"])
def test_what_can_not_work_is_refused_before_anything_is_written(scene: Any, check: bool) -> None:
    """One play for all: each include fails, and the next one begins."""
    (scene.folder / "unknown.yml").write_text("- name: Deploy\n  no_such_module:\n    value: 1\n")
    (scene.folder / "text.yml").write_text("just a text\n")
    (scene.folder / "bad.yml").write_text("- name: [\n")
    tasks = []
    for name, (variables, _told) in REFUSED.items():
        given = json.loads(
            json.dumps({"name": "checkout", **ALWAYS, **variables}).replace("{folder}", str(scene.folder))
        )
        role = {"ansible.builtin.include_role": {"name": "community.honeycomb.api_key_rotation"}, **play_vars(**given)}
        tasks.append({"name": name, "block": [role], "rescue": [{"ansible.builtin.debug": {"msg": "refused"}}]})
    common = play_vars(key_type="ingest", environment="production", deploy_tasks=str(scene.folder / "deploy.yml"))
    play = {"hosts": "localhost", "gather_facts": False, "tasks": tasks, **common}
    playbook = scene.folder / "refused.yml"
    playbook.write_text(json.dumps([play]))

    result = scene._run(playbook, check=check, extra_vars={"folder": str(scene.folder)})

    said = " ".join(task["result"].get("msg", "") for task in result.tasks if task["status"] == "failed")
    for name, (_variables, told) in REFUSED.items():
        assert told in " ".join(said.split()), name
    assert result.stats["localhost"]["rescued"] == len(REFUSED)
    assert not [request for request in scene.sim.requests if request.method != "GET"]


def test_a_name_that_differs_between_hosts(new_fleet: Callable[..., Fleet]) -> None:
    fleet = new_fleet(how="twice")
    play = json.loads(fleet._playbook.read_text())
    play[0]["tasks"] = [{**play[0]["tasks"][0], "vars": {"api_key_rotation_name": "{{ mine }}"}}]
    play[0]["vars"]["mine"] = "{{ 'billing' if inventory_hostname == 'web3' else 'checkout' }}"
    fleet._playbook.write_text(json.dumps(play))

    result = fleet.run()

    assert result.rc != 0
    assert "api_key_rotation_name, or another variable that says which key is meant, differs between web3 and web1" in (
        " ".join(result.output.split())
    )
    assert fleet.broken == []
    assert not [request for request in fleet.sim.requests if request.operation == "createApiKey"]


@pytest.mark.parametrize("consumers", [pytest.param([], marks=pytest.mark.slow), ["web1"]], ids=["none", "one"])
def test_a_narrow_list_of_consumers_does_not_cut_the_other_hosts_off(
    new_fleet: Callable[..., Fleet], consumers: list[str]
) -> None:
    fleet = new_fleet(play={"serial": 1})
    play = json.loads(fleet._playbook.read_text())
    play[0]["vars"]["api_key_rotation_consumers"] = consumers
    fleet._playbook.write_text(json.dumps(play))

    assert fleet.run().rc == 0
    assert fleet.broken == []
    assert fleet.rotated()


def test_a_limit_that_leaves_nobody_out_is_none(scene: Any) -> None:
    scene.rotate("web1,web2", variables=ALWAYS, limit="all")
    assert scene.value("web1") == scene.value("web2") == scene.current().value


def test_a_limit_does_not_matter_where_a_store_is_all_that_needs_the_value(scene: Any) -> None:
    store = {"type": "file", "path": f"{scene.folder}/{{name}}.stored"}
    variables = {"force": True, "overlap": "1h", "deploy_tasks": "", "store": store}
    scene.rotate("web1,web2", variables=variables, limit="web1")
    assert (scene.folder / "checkout.stored").read_text() == scene.current().value != scene.old.value


def test_what_is_due_is_looked_up_once_for_all_batches(scene: Any) -> None:
    scene.rotate("web1,web2,web3", serial="1")
    assert len([request for request in scene.sim.requests if request.operation == "listApiKeys"]) == 1


def test_a_consumer_that_is_gone_does_not_keep_a_key_from_being_restored(scene: Any) -> None:
    scene.rotate(variables=ALWAYS)
    scene.rotate(variables={"action": "restore", "consumers": ["gone"]})
    assert not scene.sim.key(scene.old.id).disabled


@pytest.mark.slow
def test_each_key_has_its_own_hosts_and_a_failing_one_holds_back_no_other(
    new_fleet: Callable[..., Fleet], sim: Any
) -> None:
    """Five keys, one of which fails on one host for four nights: few keys are left over, and the others rotate."""
    fleet = new_fleet()
    names = ["checkout", "a", "b", "c", "d"]
    keys = [{"name": "checkout", "hosts": ["web1", "web2"]}, *({"name": name, "hosts": ["web3"]} for name in names[1:])]
    for name in names[1:]:
        sim.add_key(name=name, key_type="ingest", environment="production")
    play = json.loads(fleet._playbook.read_text())
    play[0]["vars"].update(api_key_rotation_keys=keys, api_key_rotation_max_age="5d", api_key_rotation_lead="0s")
    fleet._playbook.write_text(json.dumps(play))
    sim.advance(5 * 24 * 3600)

    left = []
    for _night in range(4):
        result = fleet.run("after-web2")
        assert result.rc == 2
        assert fleet.broken == []
        left.append(len(fleet.left()))
        sim.advance(24 * 3600)

    assert left == [1, 2, 3, 3], "the fourth night waits, and says so"
    for name in names[1:]:
        (key,) = [key for key in sim.keys(name=name) if not key.disabled]
        assert (fleet.folder / f"web3.{name}").read_text() == key.value
    said = " ".join(result.output.split())
    assert "3 rotations failed and left enabled keys behind that a host may have" in said
    play[0]["vars"]["api_key_rotation_only"] = ["checkout"]
    fleet._playbook.write_text(json.dumps(play))
    assert fleet.run().rc == 0
    assert fleet.left() == []


def test_a_run_that_was_overtaken_brings_no_dead_value_to_the_next_batch(new_fleet: Callable[..., Fleet]) -> None:
    fleet = new_fleet(play={"serial": 1})
    marker, go_on = fleet.folder / "first-batch", fleet.folder / "go-on"
    deploy = fleet.folder / "deploy.yml"
    waits = f"""
- name: Let the other run work
  ansible.builtin.copy:
    content: "now"
    dest: "{marker}"
    mode: "0600"
  when: inventory_hostname == 'web1'

- name: Wait for it
  ansible.builtin.wait_for:
    path: "{go_on}"
    timeout: 30
    sleep: 1
  when: inventory_hostname == 'web1'
"""
    deploy.write_text(deploy.read_text() + waits)

    def overtake() -> None:
        while not marker.exists():
            if done.wait(0.05):
                return
        (pending,) = [key for key in fleet.sim.keys() if key.name == "checkout [pending]"]
        fleet.sim.update_key(pending.id, name="checkout [stale 20260101T000000Z]")
        go_on.write_text("")

    done = threading.Event()
    other = threading.Thread(target=overtake)
    other.start()
    try:
        result = fleet.run()
    finally:
        done.set()
        other.join()

    assert result.rc == 2
    assert "was changed by somebody during the rotation: it is now called 'checkout [stale" in " ".join(
        result.output.split()
    )
    old = fleet.old["checkout"].value
    assert [(fleet.folder / f"{host}.checkout").read_text() == old for host in HOSTS] == [False, True, True]
    assert fleet.broken == []


def test_one_key_with_an_unknown_environment_does_not_stop_the_others(scene: Any) -> None:
    keys = [{"name": "lost", "environment": "nowhere"}, {"name": "checkout"}]
    result = scene.rotate(variables={**ALWAYS, "keys": keys}, expect_rc=2)

    said = " ".join(result.output.split())
    assert "ingest key 'lost': There is no environment" in said or "'nowhere'" in said
    assert said.count("'nowhere'") <= 4, "said where it is found, and at the end"
    assert scene.value() == scene.current().value != scene.old.value

    status = scene.rotate(variables={"action": "status", "keys": keys})
    assert "stopped: ingest key 'lost'" in status.output


def test_restore_of_many_keys_helps_those_that_can_be_helped(scene: Any) -> None:
    scene.sim.add_key(name="young", key_type="ingest", environment="production")
    keys = [{"name": "young"}, {"name": "checkout"}]
    scene.rotate(variables={**ALWAYS, "keys": [{"name": "checkout"}]})

    preview = scene.rotate(variables={"action": "restore", "keys": keys}, check=True, expect_rc=2)
    assert scene.sim.key(scene.old.id).disabled
    assert "restored" in preview.output
    result = scene.rotate(variables={"action": "restore", "keys": keys}, expect_rc=2)

    said = " ".join(result.output.split())
    assert "there is no retired generation of 'young' to restore" in said
    assert "The others were done: checkout." in said
    assert not scene.sim.key(scene.old.id).disabled

    scene.rotate(variables={"action": "retire", "keys": keys, "only": ["checkout"]})
    scene.rotate(variables={"action": "restore", "keys": keys, "restore_id": scene.old.id})


def test_only_what_is_named_is_rotated(scene: Any) -> None:
    scene.sim.add_key(name="other", key_type="ingest", environment="production")
    keys = [{"name": "other"}, {"name": "checkout"}]

    scene.rotate(variables={"force": True, "keys": keys, "only": scene.old.id})

    assert scene.value() == scene.current().value != scene.old.value
    assert len([key for key in scene.sim.keys() if key.name.startswith("other")]) == 1


def test_become_of_the_play_is_not_used_on_the_controller(scene: Any) -> None:
    store, notify = scene.folder / "store.yml", scene.folder / "notify.yml"
    store.write_text(
        """---
- name: Write the value
  ansible.builtin.copy:
    content: "{{ honeycomb_key.value }}"
    dest: "{{ folder }}/stored.key"
    mode: "0600"

- name: Read it back
  ansible.builtin.set_fact:
    honeycomb_stored_value: "{{ lookup('ansible.builtin.file', folder ~ '/stored.key') }}"
"""
    )
    notify.write_text(
        '---\n- name: Note it\n  ansible.builtin.command: touch "{{ folder }}/told"\n  changed_when: true\n'
    )
    variables = {**ALWAYS, "overlap": "1d", "store_tasks": str(store), "notify_tasks": str(notify), "max_age": "2d"}
    playbook = scene.playbook()
    (play,) = yaml.safe_load(playbook.read_text())
    del play["tasks"][0]["vars"]["api_key_rotation_deploy_tasks"]
    playbook.write_text(json.dumps([{**play, "become": True}]))
    scene.sim.advance(2 * 24 * 3600)

    extra = scene.variables(variables, ansible_become_exe="/bin/false")
    scene._run(playbook, extra_vars=extra)

    assert (scene.folder / "stored.key").read_text() == scene.current().value
    assert (scene.folder / "told").exists()


def test_the_run_forgets_the_values(new_fleet: Callable[..., Fleet], tmp_path: Path) -> None:
    fleet = new_fleet()
    play = json.loads(fleet._playbook.read_text())
    dump = {
        "content": "{{ [hostvars, hostvars['localhost']] | to_json }}",
        "dest": f"{tmp_path}/dumped",
        "mode": "0600",
    }
    play[0]["tasks"].append({"name": "Dump", "ansible.builtin.copy": dump, "run_once": True})
    fleet._playbook.write_text(json.dumps(play))

    assert fleet.run().rc == 0

    assert "api_key_rotation__runs" in (tmp_path / "dumped").read_text()
    assert leaked(fleet.sim, (tmp_path / "dumped").read_text()) == []


def test_a_fact_cache_that_holds_the_management_key_is_noticed(new_fleet: Callable[..., Fleet], tmp_path: Path) -> None:
    cache = {
        "ANSIBLE_CACHE_PLUGIN": "ansible.builtin.jsonfile",
        "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(tmp_path / "facts"),
    }
    result = new_fleet(play={"gather_facts": True}, env=cache).run()

    assert "The fact cache (ansible.builtin.jsonfile) holds HONEYCOMB_KEY_SECRET" in " ".join(result.output.split())


def test_debug_output_would_show_values(scene: Any) -> None:
    debug = {"ANSIBLE_DEBUG": "1"}
    result = scene.rotate(variables=ALWAYS, env=debug, expect_rc=2)
    assert "ANSIBLE_DEBUG shows what every task returns" in result.output
    assert leaked(scene.sim, result.output) == []


@pytest.mark.slow
def test_debug_output_does_not_show_what_a_store_keeps(scene: Any) -> None:
    store = {"type": "file", "path": f"{scene.folder}/{{name}}.stored"}
    result = scene.rotate(variables={**ALWAYS, "store": store}, env={"ANSIBLE_DEBUG": "1"})
    assert leaked(scene.sim, result.output) == []
