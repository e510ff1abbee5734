# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carrying out plans: the only place that writes keys. One plan or hundreds, in parallel over reused connections."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._api.client import Client
from .._api.resources import ApiKey, CreatedKey
from .._errors import HoneycombError
from .._parallel import in_parallel
from .create import create_once
from .plan import Plan


@dataclass(frozen=True)
class Outcome:
    """What became of a plan: the key as the service answered it, what was created, or what went wrong."""

    plan: Plan
    changed: bool = False
    key: ApiKey | None = None
    created: CreatedKey | None = None
    error: HoneycombError | None = None

    def handed_back(self) -> list[dict[str, t.Any]]:
        """The values that exist because of this plan, whether or not it succeeded."""
        if self.created:
            return [self.created.as_result()]
        return self.error.created if self.error else []


def apply_plan(client: Client, plan: Plan, before: t.Collection[str]) -> Outcome:
    """Carry out one plan.

    :param before: Ids of the keys that were there when the task looked.
    """
    try:
        if plan.action == "create" and plan.after:
            created = create_once(client, plan.after, before)
            return Outcome(plan, changed=True, key=created.key, created=created)
        if plan.action == "update" and plan.key:
            return Outcome(plan, changed=True, key=client.update_key(str(plan.key.id), plan.changes))
        if plan.action == "delete" and plan.key:
            return _delete(client, plan, plan.key)
    except HoneycombError as exc:
        return Outcome(plan, changed=bool(exc.created), error=exc)
    except Exception as exc:  # pylint: disable=broad-except
        # Whatever it is, it must not take away the values that other plans created.
        defect = HoneycombError(f"{type(exc).__name__}: this is a defect of the collection; please report it.")
        return Outcome(plan, error=defect)
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
    client: Client, plans: t.Sequence[Plan], before: t.Collection[str], concurrency: int = 1
) -> list[Outcome]:
    """Carry out plans; one that fails does not stop the others, so that every created value is handed back."""
    return in_parallel(lambda plan: apply_plan(client, plan, before), plans, concurrency)
