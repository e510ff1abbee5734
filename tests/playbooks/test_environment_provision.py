# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role environment_provision and its guide, run for real."""

from __future__ import annotations

import base64
import json
import re
import sys
import textwrap
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from simulator import Simulator

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "docsite" / "rst" / "guide_provisioning.rst"
ROLE = ROOT / "roles" / "environment_provision"


class Scene:
    """The role run for some services, with the store tasks of the guide."""

    def __init__(self, sim: Any, run_playbook: Any, folder: Path) -> None:
        self.sim = sim
        self._run = run_playbook
        self.folder = folder
        for name, text in captioned(GUIDE).items():
            (folder / name).write_text(text)

    def use_tasks(self) -> None:
        """From now on, tasks of the user's store the values: those of the guide."""
        (play,) = yaml.safe_load((self.folder / "provision.yml").read_text())
        variables = play["roles"][0]["vars"]
        del variables["environment_provision_store"]
        variables["environment_provision_store_tasks"] = "store.yml"
        (self.folder / "provision.yml").write_text(yaml.safe_dump([play], sort_keys=False))
        text = (self.folder / "store.yml").read_text()
        (self.folder / "keys").mkdir(exist_ok=True)
        (self.folder / "store.yml").write_text(
            text.replace("{{ honeycomb_key.name }}.key", "keys/{{ honeycomb_key.name }}").replace(
                "'/' ~ honeycomb_key.name ~ '.key'", "'/keys/' ~ honeycomb_key.name"
            )
        )

    def provision(self, services: Any = None, variables: Any = (), **options: Any) -> Any:
        """Run the guide's playbook, with other services and variables where they are given."""
        self.sim.forget_requests()
        extra = {f"environment_provision_{name}": value for name, value in dict(variables).items()}
        extra |= {"environment_provision_services": services} if services is not None else {}
        return self._run(self.folder / "provision.yml", extra_vars=extra, **options)

    def keys(self) -> dict[str, Any]:
        """The keys of the environment by name. Each name has only one."""
        keys = self.sim.keys(environment="load-tests")
        assert len({key.name for key in keys}) == len(keys)
        return {key.name: key for key in keys}

    def stored(self) -> dict[str, str]:
        files = [path for path in (self.folder / "keys").glob("*") if path.suffix not in (".pending", ".previous")]
        return {path.name: path.read_text() for path in files}

    def writes(self) -> list[str]:
        return [request.operation for request in self.sim.requests if request.method != "GET"]

    def assert_nothing_secret_in(self, *texts: str) -> None:
        for secret in self.sim.issued_secrets():
            for form in (secret, base64.b64encode(secret.encode()).decode().rstrip("=")[:-1]):
                assert not any(form in text for text in texts)

    def assert_each_value_is_stored(self, *names: str) -> None:
        """And there is nothing else, but for disabled leftovers of runs that died."""
        keys = {name: key for name, key in self.keys().items() if not (key.disabled and name.endswith(" off]"))}
        assert sorted(keys) == sorted(names)
        assert not [key.name for key in keys.values() if key.disabled]
        assert self.stored() == {name: key.value for name, key in keys.items()}


def captioned(page: Path) -> dict[str, str]:
    """The files that a guide shows, by their captions."""
    block = re.compile(r"^\.\. code-block:: yaml\n   :caption: (\S+)\n\n((?:   .*\n|\n)+)", re.MULTILINE)
    return {name: textwrap.dedent(text) for name, text in block.findall(page.read_text())}


@pytest.fixture
def scene(sim: Simulator, run_playbook: Callable[..., Any], tmp_path: Path) -> Any:
    return Scene(sim, run_playbook, tmp_path)


def said(result: Any, *words: str) -> str:
    """The message of the failure, which says all of the words."""
    text = " ".join(result.task("Say which services could not be provisioned")["result"]["msg"].split())
    for word in words:
        assert word in text
    return text


@pytest.mark.parametrize("way", ["store", "tasks"])
def test_from_nothing_to_an_added_service(scene: Any, way: str) -> None:
    if way == "tasks":
        scene.use_tasks()
    before = scene.provision(check=True, diff=True)
    assert not scene.writes() and len(scene.sim.environments) == 2
    # The environment and the keys
    assert before.stats["localhost"]["changed"] == 2
    assert before.task("Say which keys the new environment would get")["result"]["msg"] == [
        "checkout",
        "search",
        "deployments",
    ]

    # Nothing secret may be left in variables either.
    text = (scene.folder / "provision.yml").read_text()
    look = [{"name": "Look", "ansible.builtin.debug": {"var": "hostvars['localhost']"}}]
    (scene.folder / "provision.yml").write_text(f"{text}  post_tasks: {json.dumps(look)}\n")
    first = scene.provision(verbosity=4, diff=True)
    (scene.folder / "provision.yml").write_text(text)
    assert "environment_provision__declared" in str(first.task("Look")["result"])
    scene.assert_each_value_is_stored("checkout", "search", "deployments")
    granted = {name: [what for what, given in key.permissions.items() if given] for name, key in scene.keys().items()}
    assert granted == {"checkout": [], "search": ["create_datasets"], "deployments": ["manage_markers"]}
    place = scene.sim.environments[-1]
    assert (place["name"], place["description"], place["color"]) == ("Load Tests", "Emptied every quarter", "lightGold")
    scene.assert_nothing_secret_in(first.output, str(first.tasks))

    again = scene.provision()
    assert again.stats["localhost"]["changed"] == 0
    assert not scene.writes()

    (play,) = yaml.safe_load((scene.folder / "provision.yml").read_text())
    services = [*play["roles"][0]["vars"]["environment_provision_services"], {"name": "added"}]
    preview = scene.provision(services, check=True)
    assert preview.stats["localhost"]["changed"] == 1 and not scene.writes()
    old = scene.keys()
    scene.provision(services)
    scene.assert_each_value_is_stored("checkout", "search", "deployments", "added")
    assert {name: scene.keys()[name] for name in old} == old
    # With tasks, the key is enabled first, and gets its name when its value is stored.
    assert scene.writes() == ["createApiKey", "updateApiKey"] + ["updateApiKey"] * (way == "tasks")


def test_a_store_that_fails_for_some(scene: Any) -> None:
    scene.use_tasks()
    value = "{{ honeycomb_key.value if honeycomb_key.name == 'tells' else '' }}"
    (scene.folder / "broken.yml").write_text(
        f'- name: Reach the vault\n  ansible.builtin.fail:\n    msg: "the vault is sealed{value}"\n'
    )
    names = ["good", "bad", "tells"]
    services = [{"name": name, "store_tasks": "store.yml" if name == "good" else "broken.yml"} for name in names]
    result = scene.provision(services, expect_rc=2, verbosity=4)
    text = said(result, "Load Tests", "rerun", "bad: its value was not stored: the task Reach the vault failed")
    assert "failed: the vault is sealed." in text and "its message is not shown" in text
    # From 2.19 on, ansible-core shows the message of a failed task also with no_log. It is the task's own.
    scene.assert_nothing_secret_in(text, re.sub(r"the vault is sealed\S*", "", result.output), str(result.tasks))
    keys = scene.keys()
    assert sorted(keys) == ["bad [pending]", "good", "tells [pending]"]
    assert [name for name, key in keys.items() if not key.disabled] == ["good"]
    assert scene.stored() == {"good": keys["good"].value}

    # Mended, but now one key can't even be created. The other one is not lost for that.
    scene.sim.fail("createApiKey", status=422, nth=2)
    result = scene.provision([{"name": name} for name in names], expect_rc=2)
    (failed,) = set(names) - set(scene.keys())
    said(result, f"{failed}: ", "422")
    scene.assert_each_value_is_stored(*(name for name in names if name != failed))


@pytest.mark.parametrize("way", ["store", "tasks"])
def test_what_a_run_that_died_left_is_replaced_and_nothing_else(scene: Any, way: str) -> None:
    sim = scene.sim
    if way == "tasks":
        scene.use_tasks()
    sim.add_environment("Load Tests")
    here = {"environment": "load-tests"}
    # Left by a run that died; a rotation that is going on, one in the middle of its promotion; a key that somebody has
    # disabled.
    leftover = sim.add_key(name="died [pending]", disabled=True, **here)
    others = [
        sim.add_key(name="rotated", **here),
        sim.add_key(name="rotated [pending]", disabled=True, **here),
        sim.add_key(name="promoted [pending]", **here),
        sim.add_key(name=f"promoted [retired {sim.now() + timedelta(hours=1):%Y%m%dT%H%M%SZ}]", **here),
        sim.add_key(name="refused", disabled=True, **here),
        sim.add_key(name="unlisted [pending]", disabled=True, **here),
        sim.add_key(name="died [pending]", disabled=True, environment="staging"),
        sim.add_key(name="died [pending]", disabled=True, key_type="configuration", **here),
    ]
    services = [{"name": name} for name in ("died", "rotated", "promoted", "refused", "new")]
    # This run dies too, when the values are stored.
    sim.fail("updateApiKey", effect="down")
    more = {"on_missing": "ignore"} if way == "store" else {}
    result = scene.provision(services, more, expect_rc=2, env={"HONEYCOMB_MAX_WAIT": "2", "HONEYCOMB_TIMEOUT": "2"})
    said(result, "died: ", "new: ")
    assert sim.key(leftover.id) is None
    assert not [key for key in sim.keys("died") + sim.keys("new") if not key.disabled]

    sim.clear_faults()
    scene.provision(services, more)
    values = {name: sim.keys(name, "load-tests") for name in ("died", "new")}
    assert all(len(keys) == 1 and not keys[0].disabled for keys in values.values())
    assert scene.stored() == {name: keys[0].value for name, keys in values.items()}
    assert [sim.key(key.id) for key in others] == others


def test_a_list_that_can_not_be_carried_out_to_the_end(scene: Any) -> None:
    result = scene.provision(
        [{"name": "twice"}, {"name": "twice"}, {"name": "x" * 70}, {"name": "lost", "store_tasks": "nowhere.yml"}],
        expect_rc=2,
    )
    text = " ".join(result.task("Refuse what could not be carried out to the end")["result"]["msg"].split())
    for word in ("twice is listed twice", "x' has to have 1 to 69", "lost: there is no tasks file nowhere.yml"):
        assert word in text
    assert not scene.sim.requests

    wrong = scene.provision([{"name": "checkout", "key_type": "management"}], expect_rc=2)
    assert "ingest, configuration" in wrong.output.replace("'", "")
    assert not scene.sim.requests


@pytest.mark.slow
def test_the_other_playbooks_of_the_guide(scene: Any) -> None:
    scene._run(scene.folder / "twenty.yml")
    keys = scene.sim.keys(environment="load-tests")
    assert len(keys) == 20
    assert scene.stored() == {key.name: key.value for key in keys}
    created = [request for request in scene.sim.requests if request.operation == "createApiKey"]
    assert len(created) == 20

    preview = scene._run(scene.folder / "remove.yml", check=True, diff=True)
    assert all(f"{key.name} ({key.id})" in preview.output for key in keys)
    scene._run(scene.folder / "remove.yml")
    assert len(scene.sim.environments) == 2 and not scene.sim.keys()


def test_the_readme_shows_what_the_guide_shows() -> None:
    shown = re.findall(r"^```yaml\n(.*?)^```$", (ROLE / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    files = captioned(GUIDE)
    assert [block.strip() for block in shown] == [files["provision.yml"].strip(), files["store.yml"].strip()]


FAILING = """
- name: Reach the vault
  ansible.builtin.fail:
    msg: the vault is sealed
"""
UNREACHABLE = """
- name: Reach the vault
  ansible.builtin.command: "true"
  delegate_to: vault.example.com
  vars:
    ansible_connection: ssh
    ansible_host: 127.0.0.1
    ansible_port: 9
"""


@pytest.mark.parametrize(
    ("store", "keywords_of"), [(FAILING, "role"), (UNREACHABLE, "play")], ids=["failing", "unreachable"]
)
def test_keywords_of_the_play_do_not_hide_a_store_that_fails(scene: Any, store: Any, keywords_of: Any) -> None:
    """An error that the play ignores would leave an enabled key whose value nobody has."""
    scene.use_tasks()
    (play,) = yaml.safe_load((scene.folder / "provision.yml").read_text())
    target = play if keywords_of == "play" else play["roles"][0]
    target.update(ignore_errors=True, ignore_unreachable=True)
    (scene.folder / "provision.yml").write_text(yaml.safe_dump([play]))
    (scene.folder / "broken.yml").write_text(store)
    services = [{"name": "good"}, {"name": "bad", "store_tasks": "broken.yml"}]
    result = scene.provision(services, expect_rc=None)
    assert result.rc != 0
    beforehand = result.task("Say which values are stored now")["result"]["msg"]
    assert "good, bad: created" in beforehand and "rerun" in beforehand
    keys = scene.keys()
    # Until its value is stored, a key does not get its name, by which the next run knows what to replace.
    assert not [name for name, key in keys.items() if "[" not in name and scene.stored().get(name) != key.value]
    if store is FAILING:
        said(result, "bad: its value was not stored", "the vault is sealed")
        assert sorted(keys) == ["bad [pending]", "good"]

    scene.provision([{"name": "good"}, {"name": "bad"}])
    scene.assert_each_value_is_stored("good", "bad")


def test_a_key_that_was_there_is_named(scene: Any) -> None:
    """Its value is not known to the run, so the service may have none: that must not go without a word."""
    scene.use_tasks()
    scene.sim.add_environment("Load Tests")
    key = scene.sim.add_key(name="checkout", environment="load-tests")
    services = [{"name": "checkout"}, {"name": "new"}]
    for check in (True, False):
        result = scene.provision(services, check=check)
        (line,) = result.task("Say which services have a key already")["result"]["msg"]
        assert line.startswith(f"checkout: key {key.id} (enabled) existed already")
    assert scene.stored() == {"new": scene.keys()["new"].value}


@pytest.mark.parametrize("strategy", ["free", "linear"])
def test_one_host_does_it_whatever_the_strategy(scene: Any, strategy: str) -> None:
    """With the strategy free, Ansible runs a task that is to run once on every host: three keys for each service."""
    (play,) = yaml.safe_load((scene.folder / "provision.yml").read_text())
    play.update(hosts="all", strategy=strategy)
    (scene.folder / "provision.yml").write_text(yaml.safe_dump([play]))
    hosts = [f"web{number} ansible_connection=local ansible_python_interpreter={sys.executable}" for number in range(3)]
    (scene.folder / "hosts").write_text("\n".join(hosts) + "\n")
    scene.sim.latency = 0.2
    scene.provision([{"name": "a"}, {"name": "b"}], inventory=scene.folder / "hosts")
    scene.assert_each_value_is_stored("a", "b")


def test_marks_of_the_user_do_not_hide_the_keys_from_the_role(scene: Any) -> None:
    """Otherwise keys would be created that the role does not recognize, and their values would be lost."""
    scene.use_tasks()
    (play,) = yaml.safe_load((scene.folder / "provision.yml").read_text())
    play["module_defaults"] = {"community.honeycomb.honeycomb_api_keys": {"marks": {"pending": "new"}}}
    (scene.folder / "provision.yml").write_text(yaml.safe_dump([play]))
    scene.provision([{"name": "a"}])
    scene.assert_each_value_is_stored("a")
