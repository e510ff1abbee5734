# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""What ``honeycomb_api_keys`` does, between its options and its results: one listing, one plan, writes in parallel."""

from __future__ import annotations

import typing as t

from .._api.resources import ApiKey, Environment, describe_key
from .._environments.lookup import Environments
from .._errors import HoneycombError, InputError
from .._keys.apply import Outcome
from .._keys.generations import Marks
from .._keys.handover import Run
from .._keys.homes import Homes
from .._keys.items import decide_values, find_homes
from .._keys.plan import Plan, Wanted, check_wanted, project, unexpected
from .._keys.plan_many import Purge, RefusedItems, action_of, check_purge, for_each, plan_keys, plan_purge
from .._keys.present import Item, apply_or_predict, carry_out, requests_for
from .._parallel import in_parallel
from .._stores.options import merged
from .api_key import locate, read_wanted, to_return
from .base import HoneycombModule
from .stores import read_run, tell_expected_wait

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
        run = read_run(module, params["concurrency"])
        environments = Environments(run.client)
        types = _types(params, wanted)
        existing = _look(run, types, environments)
        wanted = for_each(lambda entry: locate(entry, environments), wanted)
        purge = _read_purge(params, environments)
        plans = plan_keys(wanted, existing, run.now(), environments.known)
        items = _decide(params, run, wanted, plans, existing, environments)
    except RefusedItems as exc:
        module.fail(exc, failed_items=[_failed_item(index, wanted[index], text) for index, text in exc.refused.items()])
    purges = plan_purge(purge, plans, existing) if purge else []
    known = environments.name(key.environment_id for plan in [*plans, *purges] for key in (plan.key, plan.after) if key)
    purging: list[Item | None] = [None] * len(purges)
    expected_wait = tell_expected_wait(module, run, requests_for([*plans, *purges], [*items, *purging]))
    outcomes, others = carry_out(run, plans, items, existing, lambda: run.client.list_keys(types))
    # Purge last: a key may go only when everything that replaces it is there.
    whole = not any(outcome.error for outcome in outcomes)
    outcomes += others
    if whole:
        outcomes += apply_or_predict(run, purges, existing)
    result = {**_result(wanted, outcomes, known), "expected_wait": expected_wait}
    failures = [outcome.error for outcome in outcomes if outcome.error]
    returned = to_return(outcomes, params["return_values"])
    if failures:
        result["created"] = [entry.as_result() for entry in returned]
        result["created"] += [entry for failure in failures for entry in failure.created]
        module.fail(_summary(outcomes, failures[0], 0 if whole else len(purges), result["created"]), **result)
    for outcome in outcomes if not module.check_mode else []:
        for attribute in unexpected(outcome.plan, outcome.key):
            key_id = outcome.key and outcome.key.id
            module.ansible.warn(
                f"{outcome.plan.label}Honeycomb did not apply {attribute} of key {key_id} as requested."
            )
    result["created"] = module.hand_back(returned)
    return result


def _decide(
    params: dict[str, t.Any],
    run: Run,
    wanted: t.Sequence[Wanted],
    plans: t.Sequence[Plan],
    existing: t.Sequence[ApiKey],
    environments: Environments,
) -> list[Item | None]:
    """What comes next for the values of the keys."""
    # A pending key is one whose value the user stores; the store for all is not meant for it.
    defaults = [None if item["state"] == "pending" else params["store"] for item in params["api_keys"]]
    own = [merged(default, item["store"]) for default, item in zip(defaults, params["api_keys"])]
    ways = [item["on_missing"] or params["on_missing"] for item in params["api_keys"]]
    homes = find_homes(Homes(params["timeout"]), wanted, plans, own, environments.known)
    return decide_values(run, wanted, plans, homes, existing, ways, environments.known)


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


def _types(params: dict[str, t.Any], wanted: t.Sequence[Wanted]) -> str | None:
    """The one type of key that the task is about; ``None`` where it can be both."""
    # An id may turn out to be a key's of either type.
    types = {entry.key_type if entry.id is None else None for entry in wanted}
    if params["purge"] != "none":
        types.add(params["key_type"])
    return types.pop() if len(types) == 1 else None


def _look(run: Run, key_type: str | None, environments: Environments) -> list[ApiKey]:
    """The team's keys. The environments are looked at meanwhile."""
    reads: list[t.Callable[[], list[ApiKey] | None]] = [lambda: run.client.list_keys(key_type), environments.look]
    return in_parallel(lambda read: read(), reads, run.concurrency)[0] or []


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
    action = "failed" if outcome.error else outcome.did or action_of(outcome.plan)
    key = outcome.key or outcome.plan.key
    if key:
        stored = {"stored": outcome.stored} if outcome.stored else {}
        return {**describe_key(key, known), "action": action, **stored}
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
    outcomes: t.Sequence[Outcome], first: HoneycombError, purges: int, created: t.Sequence[t.Any]
) -> HoneycombError:
    """One message for a task that failed in part; ``failed_items`` has the details.

    :param purges: How many keys were not purged because of it.
    """
    failed = sum(1 for outcome in outcomes if outcome.error)
    skipped = f" Nothing was purged ({purges} due)." if purges else ""
    about = next(outcome.plan for outcome in outcomes if outcome.error)
    others = " The others are as declared." if failed < len(outcomes) else ""
    values = " The values of created keys are in created." if created else ""
    first.message = (
        f"{failed} of {len(outcomes)} keys failed, see failed_items.{others}{values}{skipped} "
        f"The first failure: {about.label}{first.message}"
    )
    return first
