# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.


"""Reading values from a store dictionary, for those that need no key at Honeycomb."""

from __future__ import annotations

import typing as t

from .._errors import InputError
from .opening import open_store
from .options import complete
from .places import fill
from .store import Sessions, StoreError


def read_values(
    names: t.Iterable[str],
    *,
    store: t.Mapping[str, t.Any],
    environment: str | None,
    key_type: str,
    slot: str,
    timeout: float,
) -> list[str]:
    """The values of keys.

    :param store: The dictionary as the user wrote it.
    :param slot: ``live``, ``pending`` or ``previous``.
    :raises HoneycombError: The dictionary is wrong, the store can't be read, or it holds no such value.
    """
    sessions = Sessions()
    found = []
    for name in names:
        if "{environment}" in str(store) and environment is None:
            raise InputError("environment is missing: the place in store has {environment} in it.")
        values = {"name": name, "environment": environment, "key_type": key_type}
        opened = open_store(fill(complete(store), values, "store"), timeout, sessions)
        slots = opened.read([opened.entry])[opened.entry]
        held = getattr(slots, slot)
        value = held if isinstance(held, str) or held is None else held.value
        if value is None:
            raise StoreError(
                f"{opened.place(opened.entry)} holds no {slot} value of key {name!r}. Create the key with this store, "
                "or correct the place."
            )
        found.append(value)
    return found
