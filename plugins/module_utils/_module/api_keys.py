# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""What ``honeycomb_api_keys`` does, between its options and its results: one listing, one plan, writes in parallel."""

from __future__ import annotations

import typing as t

from .._api.client import Client
from .._api.resources import ApiKey, Environment, describe_key
from .._environments.lookup import Environments
from .._errors import HoneycombError, InputError
from .._keys.apply import Outcome, apply_plans, predict
from .._keys.generations import Marks
from .._keys.plan import Plan, Wanted, check_wanted, project, unexpected
from .._keys.plan_many import Purge, RefusedItems, action_of, check_purge, for_each, plan_keys, plan_purge
from .._parallel import in_parallel
from .api_key import locate, read_wanted
from .base import HoneycombModule

# The service limits requests, so more connections would only wait for each other.
_MOST_CONNECTIONS = 16
_DEFAULTS = ("environment", "key_type", "permissions")


def run_api_keys(module: HoneycombModule) -> dict[str, t.Any]:
    """``honeycomb_api_keys``"""
    params = module.params
    if not 1 <= params["concurrency"] <= _MOST_CONNECTIONS:
        raise InputError(f"concurrency: {params['concurrency']} is out of range; give 1 to {_MOST_CONNECTIONS}.")
    wanted = [_read_item(params, index, item) for index, item in enumerate(params["api_keys"])]
    try:
        for_each(check_wanted, wanted)
        check_purge(params["purge"], params["purge_prefix"], params["purge_all"], wanted)
        client = module.client(connections=params["concurrency"])
        environments = Environments(client)
        existing = _look(params, wanted, client, environments)
        wanted = for_each(lambda entry: locate(entry, environments), wanted)
        purge = _read_purge(params, environments)
        plans = plan_keys(wanted, existing, client.transport.now(), environments.known)
    except RefusedItems as exc:
        module.fail(exc, failed_items=[_failed_item(index, wanted[index], text) for index, text in exc.refused.items()])
    purges = plan_purge(purge, plans, existing) if purge else []
    known = environments.name(key.environment_id for plan in [*plans, *purges] for key in (plan.key, plan.after) if key)

    def carry_out(steps: t.Sequence[Plan]) -> list[Outcome]:
        if module.check_mode:
            return [predict(plan) for plan in steps]
        return apply_plans(client, steps, {str(key.id) for key in existing}, params["concurrency"])

    outcomes = carry_out(plans)
    # Purge last: a key may go only when everything that replaces it is there.
    if not any(outcome.error for outcome in outcomes):
        outcomes += carry_out(purges)
    result = _result(wanted, outcomes, known)
    failures = [outcome.error for outcome in outcomes if outcome.error]
    if failures:
        result["created"] = [entry for outcome in outcomes for entry in outcome.handed_back()]
        module.fail(_summary(wanted, outcomes, failures[0], len(purges)), **result)
    for outcome in outcomes:
        for attribute in unexpected(outcome.plan, outcome.key):
            key_id = outcome.key and outcome.key.id
            module.ansible.warn(
                f"{outcome.plan.label}Honeycomb did not apply {attribute} of key {key_id} as requested."
            )
    result["created"] = module.hand_back([outcome.created for outcome in outcomes if outcome.created])
    return result


def _read_item(params: dict[str, t.Any], index: int, item: dict[str, t.Any]) -> Wanted:
    """One item, completed by the task's defaults."""
    defaults = {option: params[option] for option in _DEFAULTS if item[option] is None}
    return read_wanted({**item, **defaults}, f"api_keys[{index}]: ")


def _read_purge(params: dict[str, t.Any], environments: Environments) -> Purge | None:
    if params["purge"] == "none":
        return None
    return Purge(
        action=params["purge"],
        environment_id=environments.resolve(params["environment"]).id,
        key_type=params["key_type"],
        prefix=params["purge_prefix"] or "",
        marks=Marks.from_options(params["marks"]),
        everything=params["purge_all"],
    )


def _look(
    params: dict[str, t.Any], wanted: t.Sequence[Wanted], client: Client, environments: Environments
) -> list[ApiKey]:
    """The team's keys, of one type where that is enough. The environments are looked at meanwhile."""
    # An id may turn out to be a key's of either type.
    types = {entry.key_type if entry.id is None else None for entry in wanted}
    if params["purge"] != "none":
        types.add(params["key_type"])
    only = types.pop() if len(types) == 1 else None
    reads: list[t.Callable[[], list[ApiKey] | None]] = [lambda: client.list_keys(only), environments.look]
    return in_parallel(lambda read: read(), reads, params["concurrency"])[0] or []


def _failed_item(index: int | None, about: Wanted | ApiKey, text: str) -> dict[str, t.Any]:
    return {"index": index, "name": about.name, "id": about.id, "msg": text}


def _result(
    wanted: t.Sequence[Wanted], outcomes: t.Sequence[Outcome], known: t.Mapping[str, Environment]
) -> dict[str, t.Any]:
    """What the task returns, but for the values of created keys. Purged keys come after the items."""
    keys = [_key_row(entry, outcome, known) for entry, outcome in zip(wanted, outcomes)]
    keys += [_key_row(None, outcome, known) for outcome in outcomes[len(wanted) :]]
    failed = [
        _failed_item(
            index if index < len(wanted) else None,
            outcome.plan.key or outcome.plan.after or wanted[index],
            outcome.error.message,
        )
        for index, outcome in enumerate(outcomes)
        if outcome.error
    ]
    befores = [outcome.plan.key for outcome in outcomes]
    afters = [outcome.plan.key if outcome.error else outcome.key for outcome in outcomes]
    return {
        "changed": any(outcome.changed for outcome in outcomes),
        "api_keys": keys,
        "diff": {"before": _projections(befores, known), "after": _projections(afters, known)},
        **({"failed_items": failed} if failed else {}),
    }


def _key_row(wanted: Wanted | None, outcome: Outcome, known: t.Mapping[str, Environment]) -> dict[str, t.Any]:
    action = "failed" if outcome.error else action_of(outcome.plan)
    key = outcome.key or outcome.plan.key
    if key:
        return {**describe_key(key, known), "action": action}
    # It does not exist, so all that is known of it is what the item says.
    item = wanted or Wanted("absent")
    place = item.environment
    return {
        "id": item.id,
        "name": item.name,
        "key_type": item.key_type,
        "environment": {part: getattr(place, part, None) for part in ("id", "name", "slug")},
        "disabled": None,
        "permissions": {},
        "created_at": None,
        "updated_at": None,
        "action": action,
    }


def _projections(keys: t.Iterable[ApiKey | None], known: t.Mapping[str, Environment]) -> dict[str, dict[str, t.Any]]:
    """One side of the diff. It has to be a dict: ansible-core can't show a list."""
    found = [project(key, known) for key in keys if key]
    found.sort(key=lambda entry: (entry["name"], entry["key_type"], entry["environment"]))
    shown: dict[str, dict[str, t.Any]] = {}
    for entry in found:
        label = f"{entry['name']} ({entry['key_type']}, {entry['environment']})"
        # Names need not be unique where keys are given by their ids.
        shown[label if label not in shown else f"{label} #{len(shown)}"] = entry
    return shown


def _summary(
    wanted: t.Sequence[Wanted], outcomes: t.Sequence[Outcome], first: HoneycombError, purges: int
) -> HoneycombError:
    """One message for a task that failed in part; ``failed_items`` has the details."""
    failed = sum(1 for outcome in outcomes if outcome.error)
    skipped = f" Nothing was purged ({purges} due)." if purges and len(outcomes) == len(wanted) else ""
    about = next(outcome.plan for outcome in outcomes if outcome.error)
    others = " The others are as declared." if failed < len(outcomes) else ""
    values = " The values of created keys are in created." if any(entry.handed_back() for entry in outcomes) else ""
    first.message = (
        f"{failed} of {len(outcomes)} keys failed, see failed_items.{others}{values}{skipped} "
        f"The first failure: {about.label}{first.message}"
    )
    return first
