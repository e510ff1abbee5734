# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""Carrying out plans: the only place that writes keys. One plan or hundreds, in parallel over reused connections."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._api.client import Client
from .._api.resources import ApiKey, CreatedKey
from .._errors import HoneycombError
from .._parallel import in_parallel
from .create import create_keys
from .plan import Plan


@dataclass(frozen=True)
class Outcome:
    """What became of a plan: the key as the service answered it, what was created, or what went wrong.

    :param stored: Where its value is, for the result; ``None`` without a store.
    :param did: What happened in one word, where the plan does not tell.
    """

    plan: Plan
    changed: bool = False
    key: ApiKey | None = None
    created: CreatedKey | None = None
    error: HoneycombError | None = None
    stored: dict[str, t.Any] | None = None
    did: str | None = None


def apply_plan(client: Client, plan: Plan, before: t.Iterable[str] = ()) -> Outcome:
    """Carry out one plan.

    :param before: Ids of the keys that were there when the task looked.
    """
    return apply_plans(client, [plan], before)[0]


def _change(client: Client, plan: Plan) -> Outcome:
    """Carry out an update or a deletion."""
    try:
        if plan.action == "update" and plan.key:
            return Outcome(plan, changed=True, key=client.update_key(str(plan.key.id), plan.changes))
        if plan.action == "delete" and plan.key:
            return _delete(client, plan, plan.key)
    except HoneycombError as exc:
        return Outcome(plan, error=exc)
    except Exception as exc:  # pylint: disable=broad-except
        # Whatever it is, it must not take away the values that other plans created.
        return Outcome(plan, error=HoneycombError.defect(exc))
    return Outcome(plan, key=plan.key)


def _delete(client: Client, plan: Plan, key: ApiKey) -> Outcome:
    """A deletion can't be undone, so a guarded one looks once more: somebody may have enabled the key meanwhile."""
    if plan.guarded:
        found = client.get_key(str(key.id))
        if found is None or (found.name, found.disabled) != (key.name, True):
            return Outcome(plan, key=found)
    return Outcome(plan, changed=client.delete_key(str(key.id)))


def predict(plan: Plan) -> Outcome:
    """What :func:`apply_plan` would bring about, for check mode."""
    return Outcome(plan, changed=plan.changed, key=plan.after)


def apply_plans(
    client: Client, plans: t.Sequence[Plan], before: t.Iterable[str] = (), concurrency: int = 1
) -> list[Outcome]:
    """Carry out plans; one that fails does not stop the others, so that every created value is handed back."""
    new = {position: plan.after for position, plan in enumerate(plans) if plan.action == "create" and plan.after}
    rest = [position for position in range(len(plans)) if position not in new]

    # The service limits each kind of request by itself, so neither has to wait for the other. Together they have as
    # many requests in progress as were asked for.
    changing = min(len(rest), max(1, concurrency // 2)) if new and concurrency > 1 else concurrency
    creating = concurrency - changing if rest and concurrency > 1 else concurrency

    def create() -> list[Outcome]:
        results = create_keys(client, list(new.values()), before, concurrency=creating)
        return [_created(plans[position], result) for position, result in zip(new, results)]

    def change() -> list[Outcome]:
        return in_parallel(lambda position: _change(client, plans[position]), rest, changing)

    outcomes = in_parallel(lambda work: work(), [create, change], concurrency)
    found = dict(zip([*new, *rest], [outcome for part in outcomes for outcome in part]))
    return [found[position] for position in range(len(plans))]


def _created(plan: Plan, result: CreatedKey | HoneycombError) -> Outcome:
    if isinstance(result, HoneycombError):
        return Outcome(plan, changed=bool(result.created), error=result)
    return Outcome(plan, changed=True, key=result.key, created=result)
