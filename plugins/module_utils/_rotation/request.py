# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""What a playbook asks the role ``api_key_rotation`` for, read once, before anything is written. Pure.

The role's variables come in as they are; what is wrong with them comes out as sentences, and what is right in the form
that the role's tasks need.
"""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass

from .._errors import InputError
from .._stores.options import merged
from .._time import parse_duration

# Each of them can be given for all keys, as api_key_rotation_NAME, and for one of api_key_rotation_keys.
_DURATIONS = ("max_age", "lead", "overlap", "grace", "lock_time")
_FILES = ("store_tasks", "deploy_tasks", "verify_tasks")
# What an entry of api_key_rotation_keys has for the role, and not for the module.
_ROLE_ONLY = (*_FILES, "old_key", "hosts")

_NAMELESS = "Nothing says which key is meant. Set api_key_rotation_name, or api_key_rotation_keys for many."


@dataclass(frozen=True)
class Request:
    """What the role works with. The lists are in the order of the keys, so that a key is found by its position.

    :param problems: Why nothing may be done, as sentences for people.
    :param rotations: The keys as the module takes them.
    :param tasks: For each key its ``store_tasks``, ``deploy_tasks`` and ``verify_tasks`` as full paths, empty where
        there are none.
    :param storing: The positions of the keys that have store tasks, and ``deploying`` of those with tasks for hosts.
    :param hosts: For each key the hosts and groups that use it; empty where every host of the play does.
    :param stores: For each key the store that keeps its value, complete; empty where there is none. May hold secrets.
    :param notify_tasks: The full path, or an empty text.
    :param old_keys: The values of the keys that are replaced, empty where they were not given. Secrets.
    """

    problems: list[str]
    rotations: list[dict[str, t.Any]]
    tasks: list[dict[str, str]]
    storing: list[int]
    deploying: list[int]
    hosts: list[list[str]]
    stores: list[dict[str, t.Any]]
    notify_tasks: str
    old_keys: list[str]


def read_request(
    keys: t.Sequence[t.Mapping[str, t.Any]],
    defaults: t.Mapping[str, t.Any],
    playbook_dir: str,
    exists: t.Callable[[str], bool],
) -> Request:
    """Read the role's variables.

    :param keys: ``api_key_rotation_keys``; empty for the one key that ``defaults`` describe.
    :param defaults: The other variables without their prefix. What is ``None`` or missing was not given.
    :param playbook_dir: Where relative paths begin.
    :param exists: Whether there is a file of this path.
    """
    entries = keys or [{name: defaults.get(name) for name in ("name", "old_key")}]
    tasks = [{name: _path(playbook_dir, entry.get(name) or defaults.get(name)) for name in _FILES} for entry in entries]
    notify_tasks = _path(playbook_dir, defaults.get("notify_tasks"))
    stores = [merged(defaults.get("store"), entry.get("store")) or {} for entry in entries]
    problems = [] if all(entry.get("name") for entry in entries) else [_NAMELESS]
    # Without a name nothing else matters yet; and only a rotation deploys anything.
    if not problems and defaults.get("action", "rotate") == "rotate":
        problems += _duration_problems(keys, defaults)
        problems += _stored_twice(entries, tasks, stores)
        problems += _unreached(entries, tasks, stores, defaults)
        files = [path for paths in tasks for path in paths.values()]
        problems += _absent([*files, notify_tasks], exists)
    return Request(
        problems=problems,
        rotations=[{name: value for name, value in entry.items() if name not in _ROLE_ONLY} for entry in entries],
        tasks=tasks,
        storing=[position for position, files in enumerate(tasks) if files["store_tasks"]],
        deploying=[position for position, files in enumerate(tasks) if files["deploy_tasks"] or files["verify_tasks"]],
        hosts=[list(entry.get("hosts") or []) for entry in entries],
        stores=stores,
        notify_tasks=notify_tasks,
        old_keys=[entry.get("old_key") or "" for entry in entries],
    )


def _path(playbook_dir: str, path: str | None) -> str:
    """A tasks file from the folder of the playbook; include_tasks would look among the role's own first."""
    return os.path.join(playbook_dir, os.path.expanduser(path)) if path else ""


def _duration_problems(keys: t.Sequence[t.Mapping[str, t.Any]], defaults: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    """Durations that can't be read. The module finds them too, but ``verify_time`` only when a key was created."""
    given = [(f"api_key_rotation_{name}", defaults.get(name)) for name in (*_DURATIONS, "verify_time")]
    given += [
        (f"api_key_rotation_keys[{index}].{name}", entry.get(name))
        for index, entry in enumerate(keys)
        for name in _DURATIONS
    ]
    for option, text in given:
        try:
            if text is not None:
                parse_duration(text, option)
        except InputError as exc:
            yield exc.message


def _stored_twice(
    entries: t.Sequence[t.Mapping[str, t.Any]], tasks: t.Sequence[dict[str, str]], stores: t.Sequence[dict[str, t.Any]]
) -> list[str]:
    names = [
        str(entry["name"]) for entry, files, store in zip(entries, tasks, stores) if files["store_tasks"] and store
    ]
    if not names:
        return []
    return [f"{', '.join(names)}: there are both a store and store_tasks for the new value. Keep one of them."]


def _unreached(
    entries: t.Sequence[t.Mapping[str, t.Any]],
    tasks: t.Sequence[dict[str, str]],
    stores: t.Sequence[dict[str, t.Any]],
    defaults: t.Mapping[str, t.Any],
) -> list[str]:
    """Keys whose new value would reach nobody, or too late: whoever reads a store needs an overlap to do so."""
    names = [
        str(entry["name"])
        for entry, files, store in zip(entries, tasks, stores)
        if not files["deploy_tasks"] and not ((files["store_tasks"] or store) and _overlaps(entry, defaults))
    ]
    if not names:
        return []
    problem = (
        f"{', '.join(names)}: nothing says how a new value reaches the application before the old key is disabled. "
        "Set api_key_rotation_deploy_tasks. Or, where applications read a store themselves, set api_key_rotation_store "
        "(or api_key_rotation_store_tasks) and an api_key_rotation_overlap that gives them time to read it again."
    )
    return [problem]


def _overlaps(entry: t.Mapping[str, t.Any], defaults: t.Mapping[str, t.Any]) -> bool:
    text = entry.get("overlap")
    if text is None:
        text = defaults.get("overlap")
    try:
        return text is not None and bool(parse_duration(text, "overlap"))
    except InputError:
        return True  # which is a problem of its own


def _absent(paths: t.Iterable[str], exists: t.Callable[[str], bool]) -> list[str]:
    absent = [path for path in dict.fromkeys(paths) if path and not exists(path)]
    if not absent:
        return []
    return [f"There is no {', nor '.join(absent)}. A relative path begins at the folder of the playbook."]
