# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role api_key_rotation, run for real against the simulator."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

ALWAYS = {"max_age": "0s"}


def test_a_key_is_replaced_then_disabled_then_deleted(scene: Any) -> None:
    scene.rotate(variables=ALWAYS)

    new = scene.current()
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
    assert scene.current().id == new.id
    assert "its grace period is over" in result.output


def test_a_tasks_file_is_found_beside_the_playbook_although_the_role_has_one_of_that_name(scene: Any) -> None:
    scene.rotate(variables={**ALWAYS, "deploy_tasks": "deploy.yml"})

    assert scene.value() == scene.current().value != scene.old.value


def test_a_young_key_is_left_alone(scene: Any) -> None:
    result = scene.rotate()

    assert scene.current().id == scene.old.id
    assert result.stats["localhost"]["changed"] == 0
    assert not [request for request in scene.sim.requests if request.method != "GET"]


def test_a_fleet_in_batches_gets_one_new_key(scene: Any) -> None:
    scene.rotate("web1,web2,web3", serial="1", variables=ALWAYS)

    new = scene.current()
    assert [scene.value(host) for host in ("web1", "web2", "web3")] == [new.value] * 3
    assert scene.sim.key(scene.old.id).disabled
    assert len([request for request in scene.sim.requests if request.operation == "createApiKey"]) == 1


@pytest.mark.parametrize("serial", ["1", pytest.param('"100%"', marks=pytest.mark.slow)])
@pytest.mark.parametrize("broken", ["web1", pytest.param("web2", marks=pytest.mark.slow), "web3"])
def test_a_broken_host_keeps_the_old_key_enabled_and_the_next_run_finishes(
    scene: Any, serial: Any, broken: Any
) -> None:
    result = scene.rotate("web1,web2,web3", serial=serial, variables=ALWAYS, broken=[broken], expect_rc=2)

    assert not scene.sim.key(scene.old.id).disabled
    assert scene.current().id == scene.old.id
    told = f"checkout: the new value is not on every host: {broken} failed (Fail where the test wants it)."
    assert told in " ".join(result.output.split())

    scene.rotate("web1,web2,web3", serial=serial, variables=ALWAYS)
    new = scene.current()
    assert [scene.value(host) for host in ("web1", "web2", "web3")] == [new.value] * 3
    assert [key.id for key in scene.sim.keys() if not key.disabled] == [new.id]


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


def test_check_mode_tells_what_would_come_and_writes_nothing(scene: Any) -> None:
    result = scene.rotate(variables=ALWAYS, check=True, diff=True)

    assert "create a new key, deploy it everywhere" in result.output
    assert scene.value() == scene.old.value
    assert not [request for request in scene.sim.requests if request.method != "GET"]
    assert result.stats["localhost"]["changed"] == 1


def test_store_tasks_keep_the_value(scene: Any) -> None:
    store = scene.folder / "store.yml"
    store.write_text(STORE)

    scene.rotate(variables={**ALWAYS, "store_tasks": str(store)})

    assert (scene.folder / "stored.key").read_text() == scene.current().value


@pytest.mark.parametrize("deployed", [True, False], ids=["deployed", "read by the application"])
def test_a_store_that_loses_the_value_stops_the_rotation(scene: Any, deployed: bool) -> None:
    store = scene.folder / "store.yml"
    store.write_text(STORE.replace("{{ honeycomb_key.value }}", "something else"))
    more = {} if deployed else {"deploy_tasks": "", "overlap": "1h", "max_age": "2h", "force": True}

    result = scene.rotate(variables={**ALWAYS, **more, "store_tasks": str(store)}, expect_rc=2)

    assert "the new value is not in the store: what was read back differs" in " ".join(result.output.split())
    assert scene.current().id == scene.old.id

    # The store may have told applications the new value, so its key stays enabled until the next one is in place.
    store.write_text(STORE)
    scene.rotate(variables={**ALWAYS, "store_tasks": str(store)})
    assert [key.id for key in scene.sim.keys() if not key.disabled] == [scene.current().id]
    assert scene.current().id != scene.old.id
    assert (scene.folder / "stored.key").read_text() == scene.current().value


def test_overlap_keeps_the_old_key_until_it_is_over(scene: Any) -> None:
    scene.rotate(variables={**ALWAYS, "overlap": "24h"})
    assert not scene.sim.key(scene.old.id).disabled

    scene.rotate(variables={"overlap": "24h"})
    assert not scene.sim.key(scene.old.id).disabled

    scene.sim.advance(24 * 3600 + 60)
    scene.rotate(variables={"overlap": "24h"})
    assert scene.sim.key(scene.old.id).disabled


def test_a_forgotten_consumer_gets_its_key_back_and_keeps_it(scene: Any) -> None:
    scene.rotate(variables=ALWAYS)
    assert scene.sim.key(scene.old.id).disabled

    result = scene.rotate(variables={"action": "restore"})
    assert not scene.sim.key(scene.old.id).disabled
    assert "was restored and stays enabled" in " ".join(result.output.split())

    scene.sim.advance(10 * 86400)
    scene.rotate()
    assert not scene.sim.key(scene.old.id).disabled, "a restored key is left alone"

    scene.rotate(variables={"action": "retire"})
    scene.rotate()
    assert scene.sim.key(scene.old.id).disabled


def test_status_shows_the_generations(scene: Any) -> None:
    result = scene.rotate(variables={"action": "status"})

    assert "current   enabled  " + scene.old.id in result.output
    assert not [request for request in scene.sim.requests if request.method != "GET"]


def test_what_is_missing_is_said_before_anything_is_written(scene: Any) -> None:
    result = scene.rotate(variables={**ALWAYS, "deploy_tasks": "", "name": "checkout"}, expect_rc=2)
    assert "nothing says how a new value reaches the application" in " ".join(result.output.split())

    result = scene.rotate(variables={**ALWAYS, "deploy_tasks": "deploi.yml"}, expect_rc=2)
    assert f"There is no {scene.folder}/deploi.yml." in " ".join(result.output.split())

    result = scene.rotate(variables={**ALWAYS, "name": "x" * 70}, expect_rc=2)
    assert "with the marks of a rotation a name may have 69" in " ".join(result.output.split())

    result = scene.rotate(variables={**ALWAYS, "name": "nobody"}, expect_rc=2)
    assert "there is no enabled key called 'nobody'" in " ".join(result.output.split())

    assert not [request for request in scene.sim.requests if request.method != "GET"]


def test_a_value_that_would_reach_nobody_in_time_is_refused(scene: Any) -> None:
    store = scene.folder / "store.yml"
    store.write_text(STORE)
    in_a_store = {**ALWAYS, "deploy_tasks": "", "store_tasks": str(store)}
    refused = "checkout: nothing says how a new value reaches the application"

    result = scene.rotate(variables={**in_a_store, "overlap": "0h0m"}, expect_rc=2)
    assert refused in " ".join(result.output.split())

    blank = {**ALWAYS, "deploy_tasks": "", "keys": [{"name": "checkout", "deploy_tasks": None}]}
    result = scene.rotate(variables=blank, expect_rc=2)
    assert refused in " ".join(result.output.split())

    assert scene.sim.requests == [], "nothing was asked, and so nothing written"


def test_the_old_value_is_refused_before_the_run_ends(scene: Any) -> None:
    scene.sim.propagation = 2  # a change takes its time to spread

    scene.rotate(variables={**ALWAYS, "old_key": scene.old.value})

    checks = [entry.status for entry in scene.sim.requests if entry.operation == "getAuth"]
    assert checks[0] == 401, "the new value was not accepted at once"
    assert checks.count(200) > 1, "then the old one was not refused at once"
    assert checks[-1] == 401


def test_a_value_that_is_not_accepted_in_time_stops_the_run(scene: Any) -> None:
    scene.sim.propagation = 3600

    result = scene.rotate(variables={**ALWAYS, "verify_time": "1s"}, expect_rc=2)

    assert "Honeycomb did not accept its value within 1 s" in " ".join(result.output.split())
    assert scene.current().id == scene.old.id
    assert not scene.sim.key(scene.old.id).disabled


@pytest.mark.parametrize("keyword", ["ignore_errors", "ignore_unreachable"])
def test_errors_that_the_play_ignores_do_not_cut_a_host_off(scene: Any, run_playbook: Any, keyword: str) -> None:
    """A host that fails, or that can't be reached, would count as one that has the new value."""
    (play,) = yaml.safe_load(scene.playbook("all").read_text())
    path = scene.folder / "ignoring.yml"
    path.write_text(json.dumps([{**play, keyword: True}]))
    hosts = {"good": {"ansible_connection": "local"}, "bad": {"ansible_connection": "local"}}
    if keyword == "ignore_unreachable":
        hosts["bad"] = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": "9"}
    inventory = scene.folder / "hosts.yml"
    inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
    for host in hosts:
        (scene.folder / f"{host}.key").write_text(scene.old.value)
    broken = ["bad"] if keyword == "ignore_errors" else []
    extra = scene.variables(ALWAYS, broken=broken, ansible_python_interpreter="{{ ansible_playbook_python }}")

    result = run_playbook(path, inventory=inventory, extra_vars=extra, expect_rc=None)

    assert result.rc != 0, "nothing says that a host was not reached"
    assert not scene.sim.key(scene.old.id).disabled
    assert all(scene.accepted(host) for host in hosts)
    told = {
        "ignore_errors": "checkout: the new value is not on every host: bad failed (Fail where the test wants it).",
        "ignore_unreachable": "checkout: no new key was created, since bad can't be reached (",
    }
    assert told[keyword] in " ".join(result.output.split())
