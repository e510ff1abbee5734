# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules about environments do, between their options and their results."""

from __future__ import annotations

import typing as t

from .._api.client import Client
from .._api.resources import ApiKey, Environment, describe_environment, describe_key
from .._environments.plan import (
    EnvironmentPlan,
    WantedEnvironment,
    changes_for,
    check_wanted_environment,
    creation_attributes,
    find_wanted,
    name_of,
    plan_environment,
    project_environment,
)
from .._errors import AnswerLost, Conflict, HoneycombError, InputError
from .base import HoneycombModule

_TRIES = 3
# Before another try of a request whose answer was lost; seconds.
_PAUSE = 2.0
_MAY_EXIST = "It may still have been created. Run it again: what is there by then is taken up."


def run_environment(module: HoneycombModule) -> dict[str, t.Any]:
    """``honeycomb_environment``"""
    wanted = WantedEnvironment(
        **{
            name: module.params[name]
            for name in ("state", "id", "name", "description", "color", "delete_protected", "unprotect", "delete_keys")
        }
    )
    check_wanted_environment(wanted)
    client = module.client()
    if wanted.id is not None:
        one = client.get_environment(wanted.id)
        existing = [one] if one else []
    else:
        existing = client.list_environments()
    found = find_wanted(wanted, existing)
    keys = _keys_in(client, found) if found and wanted.state == "absent" else []
    try:
        plan = plan_environment(wanted, found, keys)
    except InputError as exc:
        module.fail(exc, **_described_keys(wanted, keys, found))
    done = _Done(plan.after, plan.changed)
    if not module.check_mode:
        done = _carry_out(client, wanted, plan, {entry.id for entry in existing})
    result = {
        "changed": done.changed,
        "environment": _described(done.environment),
        "diff": {
            "before": project_environment(found, keys),
            "after": project_environment(done.environment, keys),
        },
        **_described_keys(wanted, keys, found),
    }
    if done.error:
        module.fail(done.error, **result)
    if not module.check_mode and done.environment and wanted.state == "present":
        for attribute in changes_for(wanted, done.environment):
            module.ansible.warn(
                f"Honeycomb did not apply {attribute} of environment {name_of(done.environment)} as it was asked to."
            )
    return result


class _Done(t.NamedTuple):
    """What became of a plan. With C(error), ``environment`` is what is known to be there all the same."""

    environment: Environment | None
    changed: bool
    error: HoneycombError | None = None


def _described(environment: Environment | None) -> dict[str, t.Any]:
    if environment is None:
        return {}
    return {**describe_environment(environment), "id": environment.id or None}


def _described_keys(
    wanted: WantedEnvironment, keys: t.Sequence[ApiKey], environment: Environment | None
) -> dict[str, t.Any]:
    """The keys that go with an environment, as a part of the result."""
    if wanted.state != "absent":
        return {}
    known = {environment.id: environment} if environment else {}
    return {"api_keys": [describe_key(key, known) for key in keys]}


def _keys_in(client: Client, environment: Environment) -> list[ApiKey]:
    keys = [key for key in client.list_keys() if key.environment_id == environment.id]
    return sorted(keys, key=lambda key: key.order)


def _carry_out(client: Client, wanted: WantedEnvironment, plan: EnvironmentPlan, before: t.Collection[str]) -> _Done:
    if plan.action == "create":
        return _create(client, wanted, before)
    if plan.action == "update" and plan.environment:
        return _Done(_update(client, plan.environment, plan.changes, wanted), True)
    if plan.action == "delete" and plan.environment:
        return _delete(client, plan.environment, plan.unprotect)
    return _Done(plan.environment, False)


def _create(client: Client, wanted: WantedEnvironment, before: t.Collection[str]) -> _Done:
    created, ours = _create_once(client, wanted, before)
    changes = changes_for(wanted, created)
    if not changes:
        return _Done(created, ours)
    try:
        return _Done(_update(client, created, changes, wanted), True)
    except HoneycombError as exc:
        exc.message = (
            f"Environment {name_of(created)} {'was created' if ours else 'is there now'}, but setting "
            f"{_attributes(changes)} failed: {exc.message} Run it again: it goes on from here."
        )
        return _Done(created, ours, exc)


def _attributes(changes: dict[str, t.Any]) -> str:
    return ", ".join(name for key, value in changes.items() for name in (value if key == "settings" else [key]))


def _create_once(client: Client, wanted: WantedEnvironment, before: t.Collection[str]) -> tuple[Environment, bool]:
    """Create an environment although the answer may be lost; return it, and whether it came from this task.

    The service has each name once. So asking again can't create a second one, and one that is there now and was not
    there before is the one that was wanted, whoever made it.

    :param before: Ids of the environments that were there when the task looked.
    """
    what = f"environment {wanted.name!r}"
    lost = ""

    def appeared() -> Environment | None:
        entries = [entry for entry in client.list_environments() if entry.id not in before]
        return next((entry for entry in entries if entry.name == wanted.name), None)

    try:
        for _attempt in range(_TRIES):
            try:
                return client.create_environment(creation_attributes(wanted)), True
            except AnswerLost as exc:
                lost = exc.message
                found = appeared()
                if not found:
                    client.transport.budget.wait(_PAUSE, f"another try of creating {what}, whose answer was lost")
            except Conflict as exc:
                found = appeared()
                if not found:
                    exc.message = (
                        f"{exc.message} No environment is called {wanted.name!r}, so one of another name may have the "
                        "slug that is made of it: give that one's name or slug, or choose another name."
                    )
                    raise
            if found:
                return found, bool(lost)
    except HoneycombError as exc:
        if lost:
            exc.message = f"The answer to creating {what} was lost. Then: {exc.message} {_MAY_EXIST}"
        raise
    raise HoneycombError(f"Creating {what} failed {_TRIES} times: {lost} It was not found afterwards. {_MAY_EXIST}")


def _update(
    client: Client, environment: Environment, changes: dict[str, t.Any], wanted: WantedEnvironment
) -> Environment:
    """Change an environment; where the request failed, look whether it was carried out all the same."""
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


def _delete(client: Client, environment: Environment, unprotect: bool) -> _Done:
    lifted = False
    try:
        if unprotect:
            changes = {"settings": {"delete_protected": False}}
            _update(client, environment, changes, WantedEnvironment("present", delete_protected=False))
            lifted = True
        return _Done(None, client.delete_environment(environment.id) or lifted)
    except HoneycombError as exc:
        error = exc
    try:
        now = client.get_environment(environment.id)
    except HoneycombError:
        error.message += f" What became of environment {name_of(environment)} could not be looked up: it may be deleted"
        error.message += ", else it may be unprotected now." if unprotect else "."
        return _Done(environment, lifted, error)
    if now is None:
        return _Done(None, True)
    lifted = bool(environment.delete_protected and not now.delete_protected)
    if lifted:
        error.message += (
            f" Environment {name_of(environment)} is still there and no longer protected, since this task lifted that. "
            "Protect it again with delete_protected=true, or run this task again."
        )
    return _Done(now, lifted, error)
