# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""Pure decisions of the role environment_provision: which keys its services need, and what to tell about them.

A key is created disabled and under a marked name (``NAME [pending]``). It is enabled and gets its own name when its
value is stored. So whatever kills a run, the next one sees by the name that the value was never stored, and replaces
this key, which nobody can use. To a rotation the mark means the same.
"""

from __future__ import annotations

import base64
import os
import typing as t
from dataclasses import dataclass, field

from .._api.resources import NAME_LENGTH
from .generations import Marks

_ENDING = Marks().pending_name("")
_LONGEST = NAME_LENGTH - len(_ENDING)


@dataclass
class Request:
    """What the role was asked for.

    :param services: The services, complete: ``name``, ``pending_name``, ``key_type``, ``permissions``, and the path
        of their tasks file as ``tasks``.
    :param problems: Why it can't be carried out to the end, as sentences.
    """

    services: list[dict[str, t.Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass
class ServicePlan:
    """What to do about the keys of the services.

    :param leftovers: Items that delete keys whose values were never stored.
    :param wanted: Items to declare: new keys, disabled and marked, and those that are there, as they are.
    :param kept: A sentence for each service that has a key already, so that this run stores no value of it.
    :param failures: A sentence for each service that can't get a key.
    """

    leftovers: list[dict[str, t.Any]] = field(default_factory=list)
    wanted: list[dict[str, t.Any]] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def read_request(
    services: t.Iterable[dict[str, t.Any]],
    store_tasks: str | None,
    folder: str,
    exists: t.Callable[[str], bool] = os.path.isfile,
) -> Request:
    """Read the role's list of services.

    :param store_tasks: The tasks file of services that name none.
    :param folder: Where relative paths start.
    """
    request = Request()
    names: set[str] = set()
    for service in services:
        name = str(service["name"])
        tasks = str(service.get("store_tasks") or store_tasks or "")
        path = os.path.join(folder, os.path.expanduser(tasks))
        if name in names:
            request.problems.append(f"{name} is listed twice.")
        if not name.strip() or name != name.strip() or len(name) > _LONGEST or name.endswith(_ENDING):
            request.problems.append(
                f"The name {name!r} has to have 1 to {_LONGEST} characters, without blanks at its ends and "
                "without a mark."
            )
        if not tasks:
            request.problems.append(f"{name} has no store_tasks, and environment_provision_store_tasks is not set.")
        elif not exists(path):
            request.problems.append(f"{name}: there is no tasks file {tasks} (relative paths start at {folder}).")
        names.add(name)
        request.services.append(
            {
                "name": name,
                "pending_name": name + _ENDING,
                "key_type": service.get("key_type") or "ingest",
                "permissions": service.get("permissions"),
                "tasks": path,
            }
        )
    return request


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
        name, key_type = service["name"], service["key_type"]
        own = by_name.get((name, key_type), [])
        marked = by_name.get((service["pending_name"], key_type), [])
        live = [key for key in marked if not key["disabled"]]
        item = {"key_type": key_type, "permissions": service["permissions"]}
        if len(own) > 1:
            ids = ", ".join(key["id"] for key in own)
            plan.failures.append(
                f"{name}: {len(own)} {key_type} keys have this name: {ids}. Rename or delete all but one."
            )
        elif own:
            # Somebody may have disabled it: that is not for this role to undo.
            state = "disabled" if own[0]["disabled"] else "present"
            plan.wanted.append({"name": name, "state": state, **item})
        else:
            plan.leftovers += [{"id": key["id"], "state": "absent"} for key in marked if key["disabled"]]
            if not live:
                plan.wanted.append({"name": service["pending_name"], "state": "disabled", **item})
        for key in own or live:
            how = "disabled" if key["disabled"] else "enabled"
            plan.kept.append(f"{name}: key {key['id']} ({how}) existed already; this run has no value of it to store.")
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
    if any(form in text for form in _forms(value)):
        return "its message is not shown, because the value is in it."
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _forms(value: str) -> t.Iterator[str]:
    """A value as it may turn up in a message: plain, and inside of base64 at each of its three alignments."""
    # The secret alone is enough to give it away. It is the last part of the value of an ingest key.
    for part in (value, value[-32:]):
        yield part
        for offset in range(3):
            encoded = base64.b64encode(b"\0" * offset + part.encode()).decode().rstrip("=")
            # The characters at both ends depend on their neighbours too.
            yield encoded[(0, 2, 3)[offset] : -1]
