# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role api_key_rotation knows of the play and its hosts. What follows from that is decided in fleet.py."""

from __future__ import annotations

import hashlib
import json
import typing as t
from dataclasses import replace

from ansible import constants as C
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.playbook.helpers import load_list_of_blocks
from ansible.plugins.action import ActionBase

from ansible_collections.community.honeycomb.plugins.module_utils._rotation import fleet
from ansible_collections.community.honeycomb.plugins.module_utils._rotation.fleet import Consumers, State

_SECRET = "HONEYCOMB_KEY_SECRET"
# Hosts go through the role together; other strategies let one run ahead of the others.
_STRATEGIES = ("linear", "debug")
_RECORDS = "api_key_rotation__records"
_REACH = "api_key_rotation__reach"


class ActionModule(ActionBase):  # type: ignore[misc]
    """The module of this name: see its documentation."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        self._vars = task_vars or {}
        step = self._task.args.get("step")
        steps = {
            "begin": self._begin,
            "reach": self._reach,
            "choose": self._choose,
            "open": self._open,
            "look": self._look,
            "deal": self._deal,
            "judge": self._judge,
            "close": self._close,
        }
        if step not in steps:
            raise AnsibleActionFail(f"step: {step!r} is none of {', '.join(steps)}.")
        return {**result, "changed": False, **steps[step](dict(self._task.args.get("data") or {}))}

    # -- begin ---------------------------------------------------------------------------------------------------------

    def _begin(self, data: dict[str, t.Any]) -> dict[str, t.Any]:
        """Refuse what can't be done, before anything is written; and find out who uses which key."""
        request = data["request"]
        problems = list(request["problems"])
        consumers, unknown = self._consumers(data, request)
        # Whoever looks at keys, or brings one back, must not be held up by what only a rotation needs.
        if data["action"] == "rotate":
            problems += [*self._play_problems(data), *self._file_problems(request), *unknown]
        if problems:
            raise AnsibleActionFail(" ".join(problems))
        batch = list(self._vars["ansible_play_batch"])
        number, continued = _which_run(data, self._vars["ansible_play_hosts_all"], batch)
        later = [host for host in self._vars["ansible_play_hosts"] if host not in batch]
        return {
            "id": number,
            "continued": continued,
            "host": self._vars["inventory_hostname"],
            "asked": data["asked"],
            "names": [str(entry["name"]) for entry in request["rotations"]],
            "consumers": consumers.as_data(),
            "common": consumers.common,
            "own": {host: consumers.positions(host)[len(consumers.common) :] for host in _hosts_of(consumers)},
            "tasks": request["tasks"],
            "batch": batch,
            "later": [] if continued else later,
            "warnings": self._warnings(request) if data["action"] == "rotate" else [],
        }

    def _play_problems(self, data: dict[str, t.Any]) -> t.Iterator[str]:
        play = self._task.get_play()
        if play.strategy.rpartition(".")[2] not in _STRATEGIES:
            yield (
                f"The play has the strategy {play.strategy}, with which hosts run ahead of each other. The role needs "
                "linear: remove strategy from the play, or rotate in a play of its own."
            )
        skipped = self._vars.get("ansible_skip_tags") or []
        if skipped:
            yield (
                f"This run has --skip-tags {','.join(skipped)}. A deployment that is skipped would count as done, and "
                "the old key would be disabled. Run the playbook without --skip-tags."
            )
        request, left_out = data["request"], self._left_out(play)
        shared = [position for position in request["deploying"] if not request["hosts"][position]]
        if left_out and shared and not data.get("consumers"):
            names = ", ".join(left_out[:10]) + (f" and {len(left_out) - 10} more" if len(left_out) > 10 else "")
            yield (
                f"This run is limited to {self._vars['ansible_limit']}, and the hosts that it leaves out ({names}) "
                "would go on using a key that a rotation disables. Run it without --limit, or name every host that "
                "uses the key in api_key_rotation_consumers."
            )

    def _left_out(self, play: t.Any) -> list[str]:
        """The hosts of the play that ``--limit`` leaves out."""
        if not self._vars.get("ansible_limit"):
            return []
        there = set(self._vars["ansible_play_hosts_all"])
        return [host for host in self._matching(play.hosts) if host not in there]

    def _matching(self, pattern: t.Any) -> list[str]:
        found = self._vars["hostvars"]._inventory.get_hosts(pattern, ignore_limits=True, ignore_restrictions=True)
        return [host.name for host in found]

    def _file_problems(self, request: dict[str, t.Any]) -> t.Iterator[str]:
        """Tasks files that Ansible can't read would be noticed only when a key was created for them."""
        files = [path for paths in request["tasks"] for path in paths.values()] + [request["notify_tasks"]]
        for path in dict.fromkeys(path for path in files if path):
            try:
                tasks = self._loader.load_from_file(path)
                if not isinstance(tasks, list):
                    yield f"{path} is not a list of tasks."
                    continue
                load_list_of_blocks(
                    tasks,
                    play=self._task.get_play(),
                    variable_manager=self._vars["hostvars"]._variable_manager,
                    loader=self._loader,
                )
            except AnsibleError as exc:
                yield f"{path} can't be read as tasks: {_one_line(exc)}"

    def _consumers(self, data: dict[str, t.Any], request: dict[str, t.Any]) -> tuple[Consumers, list[str]]:
        """Who uses which key, and what is wrong with that."""
        unknown: list[str] = []

        def resolved(patterns: t.Iterable[str], option: str) -> list[str]:
            hosts: list[str] = []
            for pattern in patterns:
                found = self._matching(pattern)
                if not found:
                    unknown.append(f"{option}: there is no host or group {pattern} in the inventory.")
                hosts += found
            return list(dict.fromkeys(hosts))

        everyone = list(self._vars["ansible_play_hosts_all"])
        everyone += resolved(data.get("consumers") or [], "api_key_rotation_consumers")
        deploying = set(request["deploying"])
        own = {
            position: resolved(patterns, f"api_key_rotation_keys[{position}].hosts")
            for position, patterns in enumerate(request["hosts"])
            if patterns and position in deploying
        }
        common = [position for position in request["deploying"] if position not in own]
        return Consumers(list(dict.fromkeys(everyone)), common, own), unknown

    def _warnings(self, request: dict[str, t.Any]) -> list[str]:
        warnings = []
        facts = self._vars.get("ansible_facts") or {}
        if _SECRET in (facts.get("env") or {}) and C.CACHE_PLUGIN not in ("memory", "ansible.builtin.memory"):
            warnings.append(
                f"The fact cache ({C.CACHE_PLUGIN}) holds {_SECRET}, since facts were gathered with it in the "
                "environment. Set gather_facts: false, or gather_subset: ['!env'], and empty the cache."
            )
        if C.DEFAULT_DEBUG and not all(request["stores"]):
            raise AnsibleActionFail(
                "ANSIBLE_DEBUG shows what every task returns, and without api_key_rotation_store the new values are "
                "among that. Unset ANSIBLE_DEBUG, or use a store."
            )
        return warnings

    # -- the hosts -----------------------------------------------------------------------------------------------------

    def _reach(self, data: dict[str, t.Any]) -> dict[str, t.Any]:
        """See whether this host can be reached, where a key that it uses is due. It stays in the play if not."""
        if data.get("asked") != data.get("expected"):
            raise AnsibleActionFail(
                f"api_key_rotation_name, or another variable that says which key is meant, differs between "
                f"{self._vars['inventory_hostname']} and {data.get('host')}. The keys are rotated once for all hosts: "
                "list them in api_key_rotation_keys, each with its hosts."
            )
        # The controller itself is always there.
        if self._connection.transport == "local" or not set(data["due"]).intersection(data["positions"]):
            return {"reached": True, "why": ""}
        try:
            answer = self._low_level_execute_command("exit 0", sudoable=True)
            why = _one_line(answer.get("stderr") or answer.get("stdout") or "no answer") if answer.get("rc") else ""
        except AnsibleError as exc:
            why = _one_line(exc)
        return {"reached": not why, "why": f"can't be reached ({why})" if why else ""}

    def _noted(self, host: str) -> dict[str, t.Any]:
        """The variables of a host as they are, without templating them: there may be many hosts."""
        found = self._vars["hostvars"].raw_get(host)
        return found if isinstance(found, dict) else {}

    # -- the keys ------------------------------------------------------------------------------------------------------

    def _choose(self, data: dict[str, t.Any]) -> dict[str, t.Any]:
        begun = data["begun"]
        later = {entry.get("item"): entry for entry in data.get("later") or []}
        batch = set(begun["batch"])

        def unreached(host: str) -> str | None:
            if host in later:
                entry = later[host]
                return entry.get("why") if "why" in entry else f"can't be reached ({_one_line(entry.get('msg', ''))})"
            if host not in batch:
                return fleet.NOT_IN_PLAY
            record = self._noted(host).get(_REACH) or {}
            return record.get("why", fleet.NO_RECORD) or None

        choice = fleet.choose(data["due"], begun["names"], Consumers.from_data(begun["consumers"]), unreached)
        return {"create": choice.create, "held": [list(entry) for entry in choice.held]}

    def _open(self, data: dict[str, t.Any]) -> dict[str, t.Any]:
        begun, stage = data["begun"], data["stage"] or {}
        # What was found first counts where no key could be created; another run may have been faster since then.
        blocked = stage.get("blocked", data["blocked"])
        failures = [("", message) for message in blocked] + [tuple(entry) for entry in data["held"]]
        failures += [(entry["name"], entry["message"]) for entry in stage.get("failures") or []]
        if stage.get("failed") or "msg" in stage:
            failures.append(("", str(stage.get("msg", "no answer"))))
        state = fleet.opened(Consumers.from_data(begun["consumers"]), stage.get("staged") or [], failures)
        return {"state": state.as_data()}

    def _look(self, data: dict[str, t.Any]) -> dict[str, t.Any]:
        before = State.from_data(data["state"])
        state = fleet.overtaken(before, data["checked"])
        return {"state": state.as_data(), "over": [key.id for key in before.open if key not in state.open]}

    def _deal(self, data: dict[str, t.Any]) -> dict[str, t.Any]:
        state, unstored = State.from_data(data["state"]), data["unstored"]
        state = replace(state, open=[key for key in state.open if key.id not in unstored])
        dealt = fleet.by_host(state, data["begun"]["tasks"])
        return {"hosts": {host: dealt[host] for host in data["begun"]["batch"] if host in dealt}}

    def _judge(self, data: dict[str, t.Any]) -> dict[str, t.Any]:
        verdict = self._verdict(data)
        return {
            "promote": [key.staged for key in verdict.promote],
            "release": [key.staged for key in verdict.release],
            "received": [key.id for key in verdict.release if key.maybe],
            "over": [key.id for key in (*verdict.promote, *verdict.release)],
        }

    def _close(self, data: dict[str, t.Any]) -> dict[str, t.Any]:
        begun, before = data["begun"], State.from_data(data["state"])
        batch, promoting, releasing = begun["batch"], data["promoting"] or {}, data["releasing"] or {}
        state = fleet.closed(before, self._verdict(data), batch, promoting, releasing)
        return {"state": state.as_data(), "ending": fleet.ending(state, self._to_come(begun, before))}

    def _verdict(self, data: dict[str, t.Any]) -> fleet.Verdict:
        begun, state = data["begun"], State.from_data(data["state"])
        noted = {host: self._noted(host).get(_RECORDS) or {} for host in begun["batch"]}

        def record(host: str, key_id: str) -> str | None:
            return t.cast("str | None", noted[host].get(key_id))

        to_come = self._to_come(begun, state)
        return fleet.judge(state, set(begun["batch"]), to_come, record, data.get("unstored"))

    def _to_come(self, begun: dict[str, t.Any], state: State) -> set[str]:
        """The hosts of later batches: those that are still in the play, and were not tried. A rescued host is both."""
        return set(self._vars["ansible_play_hosts"]) - set(begun["batch"]) - set(state.tried)


def _hosts_of(consumers: Consumers) -> list[str]:
    return list(dict.fromkeys(host for hosts in consumers.own.values() for host in hosts))


def _which_run(data: dict[str, t.Any], play_hosts: t.Iterable[str], batch: list[str]) -> tuple[str, bool]:
    """Which run of the role this is: with ``serial`` it starts over for each batch, and goes on with the same keys.

    :returns: Its id, and whether an earlier batch has begun it. The same hosts again are another run.
    """
    text = json.dumps([data["asked"], sorted(play_hosts)])
    base = hashlib.sha256(text.encode()).hexdigest()[:16]
    runs = data.get("runs") or {}
    number = sum(1 for known in runs if known.startswith(base))
    if number and not set(batch).intersection(runs[f"{base}.{number}"]["tried"]):
        return f"{base}.{number}", True
    return f"{base}.{number + 1}", False


def _one_line(what: object, longest: int = 300) -> str:
    text = " ".join(str(what).split())
    return text if len(text) <= longest else f"{text[:longest]} ..."
