# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""A rotation that can't go on gives its key up, so that the next run may begin at once.

============================== ============================= ======================================================
where the value may be         what becomes of the key       the next run
============================== ============================= ======================================================
in the pending slot of a store stays pending                 goes on with this key
with a consumer, and nowhere   ``NAME [stale TIME]``, stays  creates another; this one is disabled when that one is
else                           enabled                       the current key
nowhere                        disabled, and stale           creates another
============================== ============================= ======================================================
"""

from __future__ import annotations

import typing as t

from .._errors import HoneycombError
from .._keys import handover
from .._keys.generations import LEFT_OVER, Generation, shelve
from .._keys.generations import let_go as without_its_name
from .._keys.handover import Run
from .._parallel import in_parallel
from .jobs import Staged


def release(run: Run, staged: t.Sequence[Staged], received: t.Collection[str]) -> list[str]:
    """Give up pending keys that could not be brought to every consumer.

    :param received: The ids of those whose value a host may have.
    :returns: For each of them in what state it is now, as a sentence.
    """
    if run.preview:
        return []
    return in_parallel(
        lambda entry: let_go(run, entry, kept=entry.kept, maybe_used=entry.new_id in received), staged, run.concurrency
    )


def let_go(run: Run, staged: Staged, *, kept: bool, maybe_used: bool) -> str:
    """Give up one pending key.

    :param kept: Whether its value is in the pending slot of its store.
    :param maybe_used: Whether a consumer may have its value. It stays enabled then.
    :returns: In what state it is now and what a rerun does, for a message.
    """
    new_id = staged.new_id
    if kept and staged.home:
        return (
            f"The new value is kept in the pending slot of {staged.home.place}: rerun the rotation, and it goes on "
            f"with key {new_id}."
        )
    try:
        key = run.client.get_key(new_id)
        if key is None or key.name != run.marks.pending_name(staged.name):
            what = "was deleted" if key is None else f"is now called {key.name!r}"
            return f"The new key {new_id} {what}: another run or a person did that. Rerun the rotation."
        entry = Generation("pending", key, mark="pending")
        if maybe_used and not key.disabled:
            handover.carry_out(run, without_its_name(staged.name, entry, run.now(), run.marks, LEFT_OVER))
            return (
                f"The new key {new_id} stays enabled, since a consumer may have its value. Rerun the rotation: it "
                f"creates another key, and disables {new_id} when every consumer has the other one."
            )
        handover.carry_out(run, shelve(staged.name, entry, run.now(), run.marks, f"{LEFT_OVER}; nobody has its value"))
        return f"The new key {new_id}, which nobody has, is disabled. Rerun the rotation: it creates another key."
    except HoneycombError as exc:
        return (
            f"The new key {new_id} could not be given up, and counts as part of a run until lock_time is over: "
            f"{exc.message} Rerun the rotation then, or at once with lock_time 0s."
        )
