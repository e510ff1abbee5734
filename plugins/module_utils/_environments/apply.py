# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""Carrying out an environment's plan, although answers can be lost."""

from __future__ import annotations

import typing as t

from .._api.client import Client
from .._api.creation import Creation, create_all
from .._api.resources import Environment
from .._errors import Conflict, HoneycombError
from .plan import EnvironmentPlan, WantedEnvironment, changes_for, creation_attributes, name_of


class Done(t.NamedTuple):
    """What became of a plan. With ``error``, ``environment`` is what is known to exist nevertheless."""

    environment: Environment | None
    changed: bool
    error: HoneycombError | None = None


def apply_environment_plan(
    client: Client, wanted: WantedEnvironment, plan: EnvironmentPlan, before: t.Collection[str]
) -> Done:
    if plan.action == "create":
        return _create(client, wanted, before)
    if plan.action == "update" and plan.environment:
        return Done(_update(client, plan.environment, plan.changes, wanted), True)
    if plan.action == "delete" and plan.environment:
        return _delete(client, plan.environment, plan.unprotect)
    return Done(plan.environment, False)


def _create(client: Client, wanted: WantedEnvironment, before: t.Collection[str]) -> Done:
    created, ours = _create_once(client, wanted, before)
    changes = changes_for(wanted, created)
    if not changes:
        return Done(created, ours)
    try:
        return Done(_update(client, created, changes, wanted), True)
    except HoneycombError as exc:
        exc.message = (
            f"Environment {name_of(created)} {'was created' if ours else 'is there now'}, but setting "
            f"{_attributes(changes)} failed: {exc.message} Rerun the task: it continues from here."
        )
        return Done(created, ours, exc)


def _attributes(changes: dict[str, t.Any]) -> str:
    return ", ".join(name for key, value in changes.items() for name in (value if key == "settings" else [key]))


def _create_once(client: Client, wanted: WantedEnvironment, before: t.Container[str]) -> tuple[Environment, bool]:
    """Create an environment, whatever is lost; return it, and whether it came from this task.

    The service has each name once. So asking again can't create a second one, and one that is there now and was not
    there before is the one that was wanted, whoever made it.

    :param before: Ids of the environments that were there when the task looked.
    """

    def appeared(entry: Environment) -> bool:
        return entry.id not in before and entry.name == wanted.name

    def send() -> tuple[Environment, bool]:
        try:
            return client.create_environment(creation_attributes(wanted)), True
        except Conflict as exc:
            found = next(filter(appeared, client.list_environments()), None)
            if found:
                return found, creation.lost > 0
            exc.message = (
                f"{exc.message} No environment is called {wanted.name!r}, so one of another name may already have "
                "its slug: give the name or slug of that one, or choose another name."
            )
            raise

    creation: Creation[Environment, tuple[Environment, bool]] = Creation(
        label=f"environment {wanted.name!r}",
        send=send,
        fits=lambda entry, since: appeared(entry),
        take=lambda entry: (entry, True),
        look_back=None,
        advice="Rerun the task: if the environment exists by then, the task continues with it.",
    )
    (outcome,) = create_all([creation], client.list_environments, client.transport)
    if isinstance(outcome, HoneycombError):
        raise outcome
    return outcome


def _update(
    client: Client, environment: Environment, changes: dict[str, t.Any], wanted: WantedEnvironment
) -> Environment:
    """Change an environment; where the request failed, check whether it was carried out nevertheless."""
    try:
        return client.update_environment(environment.id, changes)
    except HoneycombError as exc:
        try:
            now = client.get_environment(environment.id)
        except HoneycombError:
            raise exc from None
        if now and not changes_for(wanted, now):
            return now
        raise


def _delete(client: Client, environment: Environment, unprotect: bool) -> Done:
    lifted = False
    try:
        if unprotect:
            changes = {"settings": {"delete_protected": False}}
            _update(client, environment, changes, WantedEnvironment("present", delete_protected=False))
            lifted = True
        return Done(None, client.delete_environment(environment.id) or lifted)
    except HoneycombError as exc:
        error = exc
    try:
        now = client.get_environment(environment.id)
    except HoneycombError:
        error.message += f" The state of environment {name_of(environment)} could not be checked: it may be deleted"
        error.message += "; if not, it may be unprotected now." if unprotect else "."
        return Done(environment, lifted, error)
    if now is None:
        return Done(None, True)
    lifted = bool(environment.delete_protected and not now.delete_protected)
    if lifted:
        error.message += (
            f" Environment {name_of(environment)} is still there and no longer protected, since this task "
            "lifted the protection. "
            "Protect it again with delete_protected=true, or rerun this task."
        )
    return Done(now, lifted, error)
