# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""Which host has which new value, and what follows from that. Pure: names of hosts in, decisions out.

Ansible runs a role once for each batch of hosts, and may stop between any two tasks. So every host notes by itself that
it has a value, and what a batch brought is judged at its end, for each key by itself. The state between batches is
plain data, which the role keeps as a fact of the controller, and never holds a value.
"""

from __future__ import annotations

import json
import re
import shlex
import typing as t
from dataclasses import asdict, dataclass, field, replace

NOT_IN_PLAY = "took no part in this play"
NO_RECORD = "did not get through the role"
# The role's own tasks file that runs handlers.
_FLUSH = "flush.yml"


@dataclass(frozen=True)
class Consumers:
    """Who uses which key. Keys are named by their positions in what the role was asked for.

    :param common: The keys that every host uses, and ``everyone`` those hosts.
    :param own: The hosts of each key that has its own.
    """

    everyone: list[str]
    common: list[int]
    own: dict[int, list[str]]

    def of(self, position: int) -> list[str]:
        """The hosts that have to have the value of a key before its old one may go. None where a store is all."""
        if position in self.own:
            return self.own[position]
        return self.everyone if position in self.common else []

    def positions(self, host: str) -> list[int]:
        return [*self.common, *(position for position, hosts in self.own.items() if host in hosts)]

    def as_data(self) -> dict[str, t.Any]:
        return {"everyone": self.everyone, "common": self.common, "own": [[key, val] for key, val in self.own.items()]}

    @classmethod
    def from_data(cls, data: t.Mapping[str, t.Any]) -> Consumers:
        return cls(list(data["everyone"]), list(data["common"]), {key: list(hosts) for key, hosts in data["own"]})


@dataclass(frozen=True)
class Key:
    """A pending key on its way to its hosts.

    :param staged: What the module needs to promote it or to give it up, without its value.
    :param hosts: Who has to have it.
    :param have: Who has it.
    :param maybe: Whether some host may have it, although nobody noted that.
    """

    staged: dict[str, t.Any]
    hosts: list[str]
    have: list[str] = field(default_factory=list)
    maybe: bool = False

    @property
    def id(self) -> str:
        return str(self.staged["new_id"])

    @property
    def name(self) -> str:
        return str(self.staged["name"])


@dataclass(frozen=True)
class State:
    """What is left to do between batches.

    :param tried: The hosts of all batches until now.
    :param open: The keys that have not been promoted or given up.
    :param failures: What went wrong, for the end of the run.
    :param failed: The names of the keys that went wrong.
    """

    tried: list[str] = field(default_factory=list)
    open: list[Key] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def as_data(self) -> dict[str, t.Any]:
        return asdict(self)

    @classmethod
    def from_data(cls, data: t.Mapping[str, t.Any] | None) -> State:
        data = data or {}
        return cls(
            tried=list(data.get("tried", [])),
            open=[Key(**entry) for entry in data.get("open", [])],
            failures=list(data.get("failures", [])),
            failed=list(data.get("failed", [])),
        )

    def with_failure(self, names: t.Iterable[str], message: str) -> State:
        return replace(self, failures=[*self.failures, message], failed=[*self.failed, *names])


@dataclass(frozen=True)
class Choice:
    """Which of the keys that are due get a new one.

    :param create: Their positions.
    :param held: For each other one its name and why not.
    """

    create: list[int]
    held: list[tuple[str, str]]


def choose(
    due: t.Iterable[int], names: t.Sequence[str], consumers: Consumers, unreached: t.Callable[[str], str | None]
) -> Choice:
    """Hold a key back while one of its hosts can't be reached: no key is created that could not be brought there.

    :param names: The keys by their positions.
    :param unreached: Why a host can't be reached, or ``None``.
    """
    create, held = [], []
    for position in due:
        why = {host: reason for host in consumers.of(position) if (reason := unreached(host))}
        if not why:
            create.append(position)
            continue
        told = (
            f"{names[position]}: no new key was created, since {_listed(why)}. The old key is unchanged. Make every "
            f"host that uses the key reachable, then rerun the playbook. {_command(names[position])}"
        )
        held.append((names[position], told))
    return Choice(create, held)


def opened(
    consumers: Consumers, staged: t.Iterable[t.Mapping[str, t.Any]], failures: t.Iterable[tuple[str, str]]
) -> State:
    """What is to be brought to hosts.

    :param staged: What the module returned for each new key.
    :param failures: For each key that went wrong its name and a message.
    """
    state = State(open=[Key({**entry, "key": None}, consumers.of(int(entry["position"]))) for entry in staged])
    for name, message in failures:
        state = state.with_failure([name] if name else [], message)
    return state


def by_host(state: State, tasks: t.Sequence[t.Mapping[str, str]]) -> dict[str, list[dict[str, t.Any]]]:
    """The new keys that each host gets: ``id``, ``name``, and the tasks ``files`` of each, with ``verify`` among them.

    :param tasks: The tasks files of all keys, by their positions.
    """
    found: dict[str, list[dict[str, str]]] = {}
    for key in state.open:
        files = tasks[int(key.staged["position"])]
        deploy, verify = files["deploy_tasks"], files["verify_tasks"]
        # Handlers run in between, so that the application uses the new value when it is verified.
        order = [path for path in (deploy, _FLUSH, verify) if path]
        told: dict[str, t.Any] = {"id": key.id, "name": key.name, "files": order, "verify": verify}
        for host in key.hosts if deploy or verify else ():
            found.setdefault(host, []).append(told)
    return found


def overtaken(state: State, failures: t.Iterable[t.Mapping[str, t.Any]]) -> State:
    """Without the keys that another run or a person has taken over between two batches.

    :param failures: What the module said of them.
    """
    gone = {failure["position"]: failure["message"] for failure in failures}
    for key in state.open:
        if key.staged["position"] in gone:
            state = state.with_failure([key.name], gone[key.staged["position"]])
    return replace(state, open=[key for key in state.open if key.staged["position"] not in gone])


@dataclass(frozen=True)
class Verdict:
    """What is to be done after a batch.

    :param promote: The keys that every host has.
    :param release: Those that did not get to a host or into a store, and ``why`` not, by their ids.
    :param wait: Those whose other hosts are still to come.
    """

    promote: list[Key]
    release: list[Key]
    why: dict[str, str]
    wait: list[Key]


def judge(
    state: State,
    batch: t.Collection[str],
    to_come: t.Collection[str],
    record: t.Callable[[str, str], str | None],
    unstored: t.Mapping[str, str] | None = None,
) -> Verdict:
    """Judge each key by what the hosts noted.

    :param batch: The hosts that began this batch.
    :param to_come: Those that are still to be tried, in later batches.
    :param record: What a host noted about a key: an empty text when it has it, a reason when not, ``None`` for nothing.
    :param unstored: For each key whose value did not get into the user's store, by its id, why not.
    """
    verdict = Verdict([], [], {}, [])
    for key in state.open:
        noted = {host: record(host, key.id) for host in key.hosts if host in batch}
        have = [*key.have, *(host for host, note in noted.items() if note == "")]
        lacking = [host for host in key.hosts if host not in have]
        failed = {
            host: noted.get(host) or _absence(host, batch, state.tried) for host in lacking if host not in to_come
        }
        known = replace(key, have=have, maybe=key.maybe or bool(have) or bool(noted))
        if unstored and key.id in unstored:
            # What was stored can't be told, so somebody may have read it there.
            verdict.release.append(replace(known, maybe=True))
            verdict.why[key.id] = f"the new value is not in the store: {unstored[key.id]}"
        elif failed:
            verdict.release.append(known)
            verdict.why[key.id] = f"the new value is not on every host: {_listed(failed)}"
        elif lacking:
            verdict.wait.append(known)
        else:
            verdict.promote.append(known)
    return verdict


def _absence(host: str, batch: t.Collection[str], tried: t.Collection[str]) -> str:
    return NO_RECORD if host in batch or host in tried else NOT_IN_PLAY


def closed(
    state: State,
    verdict: Verdict,
    batch: t.Iterable[str],
    promoting: t.Mapping[str, t.Any],
    releasing: t.Mapping[str, t.Any],
) -> State:
    """The state after a batch.

    :param promoting: What the module answered about ``verdict.promote``: its result, or its ``msg`` when it failed.
    :param releasing: The same for ``verdict.release``.
    """
    state = replace(state, tried=[*state.tried, *batch], open=list(verdict.wait))
    told = releasing.get("report") or []
    for index, key in enumerate(verdict.release):
        then = told[index] if index < len(told) else _not_given_up(key, releasing)
        state = state.with_failure(
            [key.name],
            f"{key.name}: {verdict.why[key.id]}. The old key stays enabled{_works(key)}. {then} {_command(key.name)}",
        )
    if verdict.promote and "failures" not in promoting:
        names = [key.name for key in verdict.promote]
        return state.with_failure(names, f"{', '.join(names)}: {promoting.get('msg', 'was not promoted.')}")
    for failure in promoting.get("failures") or []:
        state = state.with_failure([failure["name"]], failure["message"])
    return state


def _works(key: Key) -> str:
    return f", and the new value works on {_some(key.have)}" if key.have else ""


def _not_given_up(key: Key, releasing: t.Mapping[str, t.Any]) -> str:
    return (
        f"Its new key {key.id} could not be given up, and counts as part of a run until lock_time is over: "
        f"{releasing.get('msg', 'no answer.')}"
    )


def ending(state: State, to_come: t.Collection[str]) -> str:
    """What the run fails with, once nothing is left to wait for; empty while it goes on, or when all is well."""
    if not state.failures or (state.open and to_come):
        return ""
    return " ".join(state.failures)


def _listed(why: t.Mapping[str, str]) -> str:
    """Hosts with the reasons, those of one reason together, and not too many."""
    grouped: dict[str, list[str]] = {}
    for host, reason in why.items():
        grouped.setdefault(reason, []).append(host)
    return "; ".join(f"{_some(hosts)} {reason}" for reason, hosts in grouped.items())


def _some(hosts: t.Sequence[str], most: int = 10) -> str:
    rest = len(hosts) - most
    return ", ".join(hosts[:most]) + (f" and {rest} more" if rest > 0 else "")


def _command(name: str) -> str:
    plain = re.fullmatch(r"[\w.-]+", name)
    value = f"api_key_rotation_only={name}" if plain else shlex.quote(json.dumps({"api_key_rotation_only": [name]}))
    return f"To rotate this key alone, add: -e {value}"
