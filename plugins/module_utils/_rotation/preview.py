# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""What a rotation that succeeds would make of the keys: the decisions of its phases, on keys that are only planned."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from .._api.resources import ApiKey
from .._keys.apply import predict
from .._keys.generations import shelve
from .._keys.handover import Run
from .._keys.plan import Plan
from .._time import format_timestamp
from .decisions import plan_promotion, successor
from .jobs import Case


def foresee(run: Run, begun: t.Iterable[Case], after: t.Mapping[str, ApiKey]) -> dict[str, ApiKey]:
    """The keys when each new one has been created, deployed and promoted.

    :param begun: The keys that get a new one.
    :param after: What there is by then, by id.
    :returns: The same after that. A new key, which has no id yet, is under ``new`` and its label.
    """
    found = dict(after)
    for case in begun:
        found.update(_promoted(run, case, found))
    return found


def _promoted(run: Run, case: Case, after: t.Mapping[str, ApiKey]) -> dict[str, ApiKey]:
    state, now, job = case.state, run.now(), case.job
    if state.continues is not None:
        new = replace(state.continues.key, disabled=False)
    else:
        planned = successor(state, run.marks, now)
        new = replace(planned, id=f"new {job.label}", disabled=False, created_at=format_timestamp(now))
    old_id = state.current.key.id if state.current else None
    enabled = [entry.key for kind in ("pending", "retired") for entry in state.of(kind) if entry.enabled]
    touched = {str(key.id): after[str(key.id)] for key in enabled if str(key.id) in after}
    if old_id:
        touched[old_id] = after[old_id]
    touched[str(new.id)] = new

    def take(steps: t.Iterable[Plan]) -> None:
        for step in steps:
            key = predict(step).key
            if key:
                touched[str(key.id)] = key

    take(plan_promotion(job.name, str(new.id), old_id, touched, now, run.marks))
    if not job.policy.overlap:
        replaced = [run.marks.read(job.name, key) for key_id, key in touched.items() if key_id != new.id]
        take(shelve(job.name, entry, now, run.marks, "replaced") for entry in replaced if entry and entry.enabled)
    return touched
