# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""What ``honeycomb_environment`` does, between its options and its results."""

from __future__ import annotations

import typing as t

from .._api.client import Client
from .._api.resources import ApiKey, Environment, describe_environment, describe_key
from .._environments.apply import Done, apply_environment_plan
from .._environments.plan import (
    WantedEnvironment,
    changes_for,
    check_wanted_environment,
    find_wanted,
    name_of,
    plan_environment,
    project_environment,
)
from .._errors import InputError
from .base import HoneycombModule


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
        plan = plan_environment(wanted, existing, keys)
    except InputError as exc:
        module.fail(exc, **_described_keys(wanted, keys, found))
    done = Done(plan.after, plan.changed)
    if not module.check_mode:
        done = apply_environment_plan(client, wanted, plan, {entry.id for entry in existing})
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
                f"Honeycomb did not apply {attribute} of environment {name_of(done.environment)} as requested."
            )
    return result


def _described(environment: Environment | None) -> dict[str, t.Any]:
    if environment is None:
        return {}
    return {**describe_environment(environment), "id": environment.id or None}


def _described_keys(
    wanted: WantedEnvironment, keys: t.Sequence[ApiKey], environment: Environment | None
) -> dict[str, t.Any]:
    """The keys that are deleted with an environment, as a part of the result."""
    if wanted.state != "absent":
        return {}
    known = {environment.id: environment} if environment else {}
    return {"api_keys": [describe_key(key, known) for key in keys]}


def _keys_in(client: Client, environment: Environment) -> list[ApiKey]:
    keys = [key for key in client.list_keys() if key.environment_id == environment.id]
    return sorted(keys, key=lambda key: key.order)
