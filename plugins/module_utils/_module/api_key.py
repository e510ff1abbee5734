# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""What ``honeycomb_api_key`` does, between its options and its results."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from .._api.resources import ApiKey, CreatedKey, Environment, describe_key
from .._environments.lookup import Environments
from .._errors import InputError
from .._keys.apply import Outcome
from .._keys.handover import Run
from .._keys.homes import Homes
from .._keys.items import decide_values, find_homes
from .._keys.plan import Plan, Wanted, check_wanted, plan_key, project, refuse_expired, unexpected
from .._keys.plan_many import RefusedItems
from .._keys.present import carry_out
from .base import HoneycombModule
from .options import given_permissions
from .stores import read_run


def run_api_key(module: HoneycombModule) -> dict[str, t.Any]:
    """``honeycomb_api_key``"""
    wanted = read_wanted(module.params)
    check_wanted(wanted)
    run = read_run(module, 1)
    client = run.client
    environments = Environments(client)
    wanted = locate(wanted, environments)
    existing = _look(wanted, run, stored=module.params["store"] is not None)
    plan = plan_key(wanted, existing, environments.known)
    refuse_expired(plan, client.transport.now())
    homes = Homes(module.params["timeout"])
    try:
        known = _known(plan, environments) if module.params["store"] else environments.known
        places = find_homes(homes, [wanted], [plan], [module.params["store"]], known)
        items = decide_values(run, [wanted], [plan], places, existing, [module.params["on_missing"]], known)
    except RefusedItems as exc:
        raise InputError(exc.refused[0]) from None
    (outcome,), others = carry_out(run, [plan], items, existing, lambda: client.list_keys(wanted.key_type))
    known = _known(plan, environments)
    if outcome.error:
        module.fail(outcome.error)
    if not module.check_mode:
        for attribute in unexpected(outcome.plan, outcome.key):
            module.ansible.warn(
                f"Honeycomb did not apply {attribute} of key {outcome.key and outcome.key.id} as requested."
            )
    result = key_result(outcome, known)
    result["changed"] |= any(other.changed for other in others)
    for entry in module.hand_back(to_return([outcome], module.params["return_values"])):
        result.update(key=entry["key"], secret=entry["secret"])
    return result


def _known(plan: Plan, environments: Environments) -> dict[str, Environment]:
    """The environments by id, with that of the key, which may have been given by its id only."""
    return environments.name(key.environment_id for key in (plan.key, plan.after) if key)


def _look(wanted: Wanted, run: Run, *, stored: bool) -> list[ApiKey]:
    """The keys that the decision depends on: one where it is named by its id, and nothing else is needed."""
    if wanted.id is not None and not stored:
        found = run.client.get_key(wanted.id)
        # Where a pending key gets its name, others of this name matter.
        if not (found and wanted.name and found.name == run.marks.pending_name(wanted.name)):
            return [found] if found else []
    return run.client.list_keys(wanted.key_type)


def to_return(outcomes: t.Iterable[Outcome], return_values: bool) -> list[CreatedKey]:
    """The created keys whose values a task returns: those that no store has, unless the user asks for all."""
    return [outcome.created for outcome in outcomes if outcome.created and (outcome.stored is None or return_values)]


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


def key_result(outcome: Outcome, environments: t.Mapping[str, Environment]) -> dict[str, t.Any]:
    """What a task about one key returns, except for the value of a created one."""
    after = outcome.key
    return {
        "changed": outcome.changed,
        "api_key": describe_key(after, environments) if after else {},
        "diff": {"before": project(outcome.plan.key, environments), "after": project(after, environments)},
        **({"stored": outcome.stored} if outcome.stored else {}),
    }
