# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""Pure decisions of the role environment_provision: which keys its services need, and what to tell about them.

Values go into a store, or to tasks of the user. In either case ``honeycomb_api_keys`` creates the keys; see
``values.py`` for what it makes of the keys that a run which died has left.
"""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass, field

from .._errors import InputError
from .._stores.options import check_names, merged
from .._stores.telling import forms
from .generations import Marks

_ENDING = Marks().pending_name("")
_LONGEST = Marks().longest_base()


@dataclass
class Request:
    """What the role was asked for.

    :param services: The services, complete: ``name``, ``pending_name``, ``key_type``, ``permissions``, what is its own
        of the ``store``, and the path of its tasks file as ``tasks``, which is empty where a store keeps the value.
    :param problems: Why it can't be carried out to the end, as sentences.
    """

    services: list[dict[str, t.Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass
class ServicePlan:
    """What to do about the keys of the services.

    :param wanted: Items to declare: new keys, and those that are there, as they are.
    :param kept: A sentence for each service that has a key already, so that its tasks get no value of it.
    :param failures: A sentence for each service that can't get a key.
    """

    wanted: list[dict[str, t.Any]] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def read_request(
    services: t.Iterable[dict[str, t.Any]],
    store: t.Mapping[str, t.Any] | None,
    store_tasks: str | None,
    folder: str,
    exists: t.Callable[[str], bool] = os.path.isfile,
) -> Request:
    """Read the role's list of services.

    :param store: The store of services that name neither a store nor tasks.
    :param store_tasks: The tasks file of such services where there is no store.
    :param folder: Where relative paths start.
    """
    request = Request()
    if store and store_tasks:
        request.problems.append(
            "environment_provision_store and environment_provision_store_tasks are both set. Set one of them; a "
            "service may have another one of its own."
        )
    names: set[str] = set()
    if store:
        request.problems += _store_problems(store, "environment_provision_store")
    for service in services:
        name = str(service["name"])
        own_store, own_tasks = service.get("store"), str(service.get("store_tasks") or "")
        tasks = own_tasks or ("" if own_store or store else str(store_tasks or ""))
        path = os.path.join(folder, os.path.expanduser(tasks)) if tasks else ""
        if name in names:
            request.problems.append(f"{name} is listed twice.")
        if not name.strip() or name != name.strip() or len(name) > _LONGEST or name.endswith(_ENDING):
            request.problems.append(
                f"The name {name!r} has to have 1 to {_LONGEST} characters, without blanks at its ends and "
                "without a mark."
            )
        if own_store and own_tasks:
            request.problems.append(f"{name} has both a store and store_tasks. Keep one of them.")
        elif not tasks and not (own_store or store):
            request.problems.append(
                f"{name} has neither a store nor store_tasks, and neither environment_provision_store nor "
                "environment_provision_store_tasks is set."
            )
        elif tasks and not exists(path):
            request.problems.append(f"{name}: there is no tasks file {tasks} (relative paths start at {folder}).")
        elif own_store and not tasks:
            request.problems += _store_problems(merged(store, own_store) or {}, f"{name}: store")
        names.add(name)
        request.services.append(
            {
                "name": name,
                "pending_name": name + _ENDING,
                "key_type": service.get("key_type") or "ingest",
                "permissions": service.get("permissions"),
                "store": own_store,
                "tasks": path,
            }
        )
    return request


def _store_problems(store: t.Mapping[str, t.Any], label: str) -> list[str]:
    """What can be told of a store dictionary before there is an environment."""
    try:
        check_names(store, label)
    except InputError as exc:
        return [exc.message]
    return []


def plan_services(services: t.Iterable[dict[str, t.Any]], keys: t.Iterable[dict[str, t.Any]]) -> ServicePlan:
    """Decide what to do about the keys of an environment.

    :param services: As in :class:`Request`.
    :param keys: The keys of the environment, as ``honeycomb_api_key_info`` returns them.
    """
    by_name: dict[tuple[str, str], list[dict[str, t.Any]]] = {}
    for key in keys:
        by_name.setdefault((key["name"], key["key_type"]), []).append(key)
    plan = ServicePlan()
    for service in services:
        name, tasks = service["name"], service["tasks"]
        own = by_name.get((name, service["key_type"]), [])
        if len(own) > 1:
            ids = ", ".join(key["id"] for key in own)
            plan.failures.append(
                f"{name}: {len(own)} {service['key_type']} keys have this name: {ids}. Rename or delete all but one."
            )
            continue
        # Somebody may have disabled a key that is there: that is not for this role to undo.
        state = "disabled" if own and own[0]["disabled"] else "pending" if tasks else "present"
        item = {"name": name, "state": state, "key_type": service["key_type"], "permissions": service["permissions"]}
        plan.wanted.append({**item, "store": service["store"]} if service["store"] else item)
        if own and tasks:
            how = "disabled" if own[0]["disabled"] else "enabled"
            plan.kept.append(
                f"{name}: key {own[0]['id']} ({how}) existed already; this run has no value of it to store."
            )
    return plan


def tell_failures(results: t.Iterable[dict[str, t.Any]], failures: t.Iterable[str]) -> list[str]:
    """Everything that went wrong, as sentences.

    :param results: Of the role's tasks about keys; some may have been skipped.
    :param failures: Sentences about values that could not be stored.
    """
    told = list(failures)
    for result in results:
        if not result or result.get("skipped") or not result.get("msg"):
            continue
        items = result.get("failed_items") or []
        told += [f"{(item['name'] or item['id']).removesuffix(_ENDING)}: {item['msg']}" for item in items] or [
            result["msg"]
        ]
    return told


def tell_reason(message: t.Any, value: str) -> str:
    """Why a task failed, as a sentence: its message, unless the value may be in it."""
    text = str(message or "it gave no message").strip()
    # The secret alone is enough to give it away. It is the last part of the value of an ingest key.
    if any(form in text for part in (value, value[-32:]) for form in forms(part)):
        return "its message is not shown, because the value is in it."
    return text if text.endswith((".", "!", "?")) else f"{text}."
