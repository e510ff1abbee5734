# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shapes that a play around the role api_key_rotation can have, and a fleet of three hosts to try them on."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HOSTS = ("web1", "web2", "web3")
ROLE = "community.honeycomb.api_key_rotation"

# Each host has a file for each key. A host fails before or after it has the value, or is lost in between.
DEPLOY = """---
- name: Fail before
  ansible.builtin.fail:
    msg: this host is broken
  when: trouble == 'before-' ~ inventory_hostname

- name: Write the value
  ansible.builtin.copy:
    content: "{{ api_key_rotation_new_key }}"
    dest: "{{ folder }}/{{ inventory_hostname }}.{{ api_key_rotation_new_name }}"
    mode: "0600"

- name: Lose the host
  ansible.builtin.command: "true"
  changed_when: false
  vars:
    ansible_connection: ssh
    ansible_host: 127.0.0.1
    ansible_port: 1
  when: trouble == 'lost-' ~ inventory_hostname

- name: Fail after
  ansible.builtin.fail:
    msg: this host is broken
  when: trouble == 'after-' ~ inventory_hostname
"""


@dataclass(frozen=True)
class Shape:
    """One play.

    :param play: Keywords of the play, and ``include`` those of the task or entry that brings in the role.
    :param how: ``include``, ``import``, ``roles``, ``loop``, ``twice``, ``rescue`` or ``once``.
    :param trouble: What goes wrong in the first run: a host that is ``dead-`` from the beginning, fails ``before-`` or
        ``after-`` it has the value, or is ``lost-`` then.
    :param store: Whether values are kept in a store.
    :param env: Environment variables for ansible-playbook.
    :param refused: What the role says where it does not work with this shape.
    """

    name: str
    play: dict[str, Any] = field(default_factory=dict)
    include: dict[str, Any] = field(default_factory=dict)
    how: str = "include"
    trouble: str = ""
    store: bool = False
    env: dict[str, str] = field(default_factory=dict)
    refused: str = ""

    @property
    def keys(self) -> tuple[str, ...]:
        return ("checkout", "billing") if self.how in ("loop", "twice") else ("checkout",)

    def tasks(self) -> dict[str, Any]:
        """What the play does."""
        named = [{**self.include, "vars": {"api_key_rotation_name": name}} for name in self.keys]
        if self.how == "roles":
            return {"roles": [{"role": ROLE, **entry} for entry in named]}
        action = "ansible.builtin.import_role" if self.how == "import" else "ansible.builtin.include_role"
        tasks: list[dict[str, Any]] = [{"name": "Rotate", action: {"name": ROLE}, **entry} for entry in named]
        if self.how == "loop":
            entry = {**tasks[0], "loop": [*self.keys], "vars": {"api_key_rotation_name": "{{ item }}"}}
            tasks = [entry]
        elif self.how == "rescue":
            said = {"name": "Say so", "ansible.builtin.debug": {"msg": "never mind"}}
            tasks = [{"name": "Try", "block": tasks, "rescue": [said]}]
        return {"tasks": tasks}


class Fleet:
    """Three hosts that use keys of a simulator, and a playbook of some shape."""

    def __init__(self, sim: Any, run_playbook: Callable[..., Any], folder: Path, shape: Shape) -> None:
        self.sim, self._run, self.folder, self.shape = sim, run_playbook, folder, shape
        self.broken: list[str] = []
        self.old = {}
        (folder / "deploy.yml").write_text(DEPLOY)
        for name in shape.keys:
            self.old[name] = sim.add_key(name=name, key_type="ingest", environment="production")
            for host in HOSTS:
                self._file(host, name).write_text(self.old[name].value)
        variables: dict[str, Any] = {
            "folder": str(folder),
            "api_key_rotation_key_type": "ingest",
            "api_key_rotation_environment": "production",
            "api_key_rotation_max_age": "1d",
            "api_key_rotation_deploy_tasks": str(folder / "deploy.yml"),
        }
        if shape.store:
            variables["api_key_rotation_store"] = {"type": "file", "path": f"{folder}/store.{{name}}"}
        play = {"name": "Rotate", "hosts": "all", "gather_facts": False, **shape.play, "vars": variables}
        self._playbook = folder / "rotate.yml"
        self._playbook.write_text(json.dumps([{**play, **shape.tasks()}]))

    def _file(self, host: str, name: str) -> Path:
        return self.folder / f"{host}.{name}"

    def run(self, trouble: str = "") -> Any:
        """Run the playbook while somebody looks whether every host's value is accepted."""
        hosts: dict[str, Any] = {host: {"ansible_connection": "local"} for host in HOSTS}
        kind, _dash, host = trouble.partition("-")
        if kind == "dead":
            hosts[host] = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
        inventory = self.folder / "hosts.json"
        inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
        python = "{{ ansible_playbook_python }}"
        with self._watched():
            return self._run(
                self._playbook,
                inventory=inventory,
                extra_vars={"trouble": trouble, "ansible_python_interpreter": python},
                env={"ANSIBLE_SSH_ARGS": "-o ConnectTimeout=1", **self.shape.env},
                expect_rc=None,
            )

    @contextmanager
    def _watched(self) -> Iterator[None]:
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(0.01):
                self.look()

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            stop.set()
            watcher.join()
            self.look()

    def look(self) -> None:
        """Note each host, and each store, whose value is not accepted."""
        files = [self._file(host, name) for host in HOSTS for name in self.shape.keys]
        files += [path for name in self.shape.keys if (path := self.folder / f"store.{name}").exists()]
        # Read before the keys are: a value that is replaced in between was accepted when it was read.
        values = {path.name: path.read_text() for path in files}
        accepted = {key.value for key in self.sim.keys() if not key.disabled}
        again = {path.name: path.read_text() for path in files}
        self.broken += [where for where, value in values.items() if value not in accepted and again[where] == value]

    def rotated(self) -> bool:
        """Every host has the value of a new key, which has the name, and nothing else of it is enabled."""
        for name in self.shape.keys:
            enabled = [
                key
                for key in self.sim.keys()
                if not key.disabled and (key.name == name or key.name.startswith(f"{name} ["))
            ]
            values = {self._file(host, name).read_text() for host in HOSTS}
            if self.shape.store:
                values.add((self.folder / f"store.{name}").read_text())
            if (
                [key.name for key in enabled] != [name]
                or values != {enabled[0].value}
                or enabled[0].id == self.old[name].id
            ):
                return False
        return True

    def left(self) -> list[str]:
        """Enabled keys that are not in use under their name."""
        return [key.name for key in self.sim.keys() if not key.disabled and " [" in key.name]


def _shapes() -> Iterator[Shape]:
    """Every keyword with every position of trouble would be thousands; each pair that may matter is in here."""
    one: dict[str, Any] = {"serial": 1}
    yield Shape("plain", store=True)
    for keyword, value in (
        ("ignore_errors", True),
        ("ignore_unreachable", True),
        ("any_errors_fatal", True),
        ("max_fail_percentage", 50),
    ):
        for serial in ({}, one):
            for trouble in ("before-web1", "after-web2", "dead-web3", "lost-web2"):
                name = f"{keyword}{' serial' if serial else ''} {trouble}"
                yield Shape(name, play={keyword: value, **serial}, trouble=trouble, store=trouble.startswith("after"))
    for keyword, value in (("ignore_errors", True), ("ignore_unreachable", True), ("any_errors_fatal", True)):
        for how in ("include", "roles"):
            yield Shape(f"{keyword} on {how} after-web1", include={keyword: value}, how=how, trouble="after-web1")
    for how in ("import", "roles", "loop", "twice", "rescue"):
        for serial in ({}, one, {"serial": [1, 2]}, {"serial": "50%"}):
            for trouble in ("", "after-web1", "before-web3", "dead-web2"):
                if how in ("import", "roles") and (trouble == "dead-web2" or len(serial) == 0):
                    continue
                told = f" serial={serial['serial']}" if serial else ""
                yield Shape(f"{how}{told} {trouble}".strip(), serial, {}, how, trouble, store=trouble == "before-web3")
    for trouble in ("dead-web1", "dead-web2", "lost-web1", "lost-web3"):
        for store in (False, True):
            yield Shape(f"{trouble}{' store' if store else ''}", trouble=trouble, store=store)
    others: dict[str, Any] = {
        "throttle": 1,
        "order": "reverse_inventory",
        "force_handlers": True,
        "gather_facts": True,
        "no_log": True,
        "diff": True,
    }
    for name, wanted in others.items():
        yield Shape(f"{name} after-web2", play={name: wanted, **one}, trouble="after-web2")
    for tags in ({"tags": ["rotation"]},):
        yield Shape("tags roles", how="roles", include=tags, env={"ANSIBLE_RUN_TAGS": "rotation"}, trouble="after-web2")
        yield Shape("tags import", how="import", include=tags, env={"ANSIBLE_RUN_TAGS": "rotation"})
    for strategy in ("free", "host_pinned"):
        yield Shape(strategy, play={"strategy": strategy}, refused=f"has the strategy {strategy}")
    yield Shape("skip-tags", env={"ANSIBLE_SKIP_TAGS": "slow"}, refused="--skip-tags slow")
    yield Shape("run_once", include={"run_once": True}, refused="web2, web3 did not get through the role")


SHAPES = {shape.name: shape for shape in _shapes()}
# These run always: one for each way in which a host was cut off, or nothing was said.
QUICK = (
    "ignore_errors serial before-web1",
    "loop serial=1",
    "twice serial=[1, 2] after-web1",
    "rescue serial=1 before-web3",
    "dead-web1",
    "free",
)
