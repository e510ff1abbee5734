# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""What ``honeycomb_api_key`` does, between its options and its results."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from .._api.resources import ApiKey, Environment, describe_key
from .._environments.lookup import Environments
from .._errors import InputError
from .._keys.apply import apply_plan
from .._keys.plan import Plan, Wanted, check_wanted, plan_key, project, refuse_expired, unexpected
from .base import HoneycombModule
from .options import given_permissions


def run_api_key(module: HoneycombModule) -> dict[str, t.Any]:
    """``honeycomb_api_key``"""
    wanted = read_wanted(module.params)
    check_wanted(wanted)
    client = module.client()
    environments = Environments(client)
    wanted = locate(wanted, environments)
    if wanted.id is not None:
        found = client.get_key(wanted.id)
        existing = [found] if found else []
    else:
        existing = client.list_keys(wanted.key_type)
    plan = plan_key(wanted, existing, environments.known)
    refuse_expired(plan, client.transport.now())
    known = environments.name(key.environment_id for key in (plan.key, plan.after) if key)
    if module.check_mode:
        return key_result(plan, plan.after, plan.changed, known)
    outcome = apply_plan(client, plan, {str(key.id) for key in existing})
    if outcome.error:
        module.fail(outcome.error)
    for attribute in unexpected(plan, outcome.key):
        module.ansible.warn(
            f"Honeycomb did not apply {attribute} of key {outcome.key and outcome.key.id} as requested."
        )
    result = key_result(plan, outcome.key, outcome.changed, known)
    for entry in module.hand_back([outcome.created] if outcome.created else []):
        result.update(key=entry["key"], secret=entry["secret"])
    return result


def read_wanted(options: dict[str, t.Any], label: str = "") -> Wanted:
    """The options of one key as data. The environment is still as the user wrote it; see :func:`locate`."""
    return Wanted(
        state=options["state"],
        id=options["id"],
        name=options["name"],
        key_type=options["key_type"],
        environment=Environment(options["environment"]) if options["environment"] else None,
        permissions=given_permissions(options["permissions"]),
        purge_permissions=options["purge_permissions"],
        time_to_live=options["time_to_live"],
        label=label,
    )


def locate(wanted: Wanted, environments: Environments) -> Wanted:
    """Replace what the user wrote for the environment by the environment itself."""
    if wanted.environment is None:
        return wanted
    try:
        return replace(wanted, environment=environments.resolve(wanted.environment.id))
    except InputError as exc:
        exc.message = wanted.label + exc.message
        raise


def key_result(
    plan: Plan, after: ApiKey | None, changed: bool, environments: t.Mapping[str, Environment]
) -> dict[str, t.Any]:
    """What a task about one key returns, except for the value of a created one."""
    return {
        "changed": changed,
        "api_key": describe_key(after, environments) if after else {},
        "diff": {"before": project(plan.key, environments), "after": project(after, environments)},
    }
