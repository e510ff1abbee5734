# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules about keys do, between their options and their results."""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import replace

from ._apply import apply_plan
from ._client import check_value
from ._errors import InputError
from ._module import Environments, HoneycombModule, given_permissions
from ._plan import Plan, Wanted, check_wanted, plan_key, project, refuse_expired, unexpected
from ._resources import ApiKey, Environment, describe_key
from ._time import parse_duration, parse_timestamp


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
    plan = plan_key(wanted, existing)
    refuse_expired(plan, client.transport.now())
    known = environments.name(key.environment_id for key in (plan.key, plan.after) if key)
    if module.check_mode:
        return key_result(plan, plan.after, plan.changed, known)
    outcome = apply_plan(client, plan, {str(key.id) for key in existing})
    if outcome.error:
        module.fail(outcome.error)
    for attribute in unexpected(plan, outcome.key):
        module.ansible.warn(f"Honeycomb did not apply {attribute} of key {outcome.key and outcome.key.id} as it was asked to.")
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
    """What a task about one key returns, but for the value of a created one."""
    return {
        "changed": changed,
        "api_key": describe_key(after, environments) if after else {},
        "diff": {"before": project(plan.key, environments), "after": project(after, environments)},
    }


def run_api_key_info(module: HoneycombModule) -> dict[str, t.Any]:
    """``honeycomb_api_key_info``"""
    params = module.params
    for option in ("id", "name", "environment", "older_than"):
        if params[option] == "":
            raise InputError(f"{option}: it is empty. Leave it out, or say which keys are meant.")
    oldest = parse_duration(params["older_than"], "older_than") if params["older_than"] else None
    client = module.client()
    environments = Environments(client)
    environment = environments.resolve(params["environment"]) if params["environment"] else None
    if params["id"]:
        found = client.get_key(params["id"])
        keys = [found] if found else []
    else:
        keys = client.list_keys(params["key_type"])
    now = client.transport.now()

    def passes(key: ApiKey) -> bool:
        created = parse_timestamp(key.created_at)
        return (
            params["name"] in (None, key.name)
            and params["key_type"] in (None, key.key_type)
            and (environment is None or environment.id == key.environment_id)
            and (params["status"] is None or (params["status"] == "disabled") == key.disabled)
            and (oldest is None or (created is not None and now - created > oldest))
        )

    def describe(key: ApiKey) -> dict[str, t.Any]:
        created = parse_timestamp(key.created_at)
        return {**describe_key(key, known), "age_days": None if created is None else max(0, (now - created).days)}

    keys = sorted((key for key in keys if passes(key)), key=lambda key: key.order)
    known = environments.name(key.environment_id for key in keys)
    described = [describe(key) for key in keys]
    return {"changed": False, "api_keys": described, "summary": summarize(described)}


def summarize(keys: t.Sequence[dict[str, t.Any]]) -> dict[str, t.Any]:
    """Counts over described keys."""
    disabled = sum(key["disabled"] for key in keys)
    places = Counter(key["environment"]["slug"] or key["environment"]["id"] for key in keys)
    return {
        "total": len(keys),
        "enabled": len(keys) - disabled,
        "disabled": disabled,
        "by_environment": dict(sorted(places.items())),
        "by_type": dict(sorted(Counter(key["key_type"] for key in keys).items())),
    }


def run_auth_info(module: HoneycombModule) -> dict[str, t.Any]:
    """``honeycomb_auth_info``"""
    value = module.params["key"]
    if value is None:
        management = module.client().management_key()
        team = management.team
        return {
            "changed": False,
            "management_key": {"id": management.id, "name": management.name, "scopes": list(management.scopes)},
            "team": {"id": team.id, "name": team.name, "slug": team.slug},
        }
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise InputError("key: it is empty or holds characters that can't be in a key, for example a line's end. Strip it.")
    check = check_value(module.transport(), value)
    return {
        "changed": False,
        "valid": check is not None,
        "id": check and check.id,
        "key_type": check and check.key_type,
        "team": check and check.team,
        "environment": check and check.environment,
        "access": check and check.access,
    }
