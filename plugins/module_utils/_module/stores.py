# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""What the modules share about stores: the options, and what the steps of a handover work with."""

from __future__ import annotations

import typing as t

from .._keys.generations import Marks
from .._keys.handover import Run
from .._keys.values import ON_MISSING
from .._stores.options import OPTIONS, TYPES
from .._time import describe_seconds, parse_duration
from .base import HoneycombModule, register_secret
from .options import marks_spec

# Seconds; whoever waits for less has not begun to wonder.
_LONG_WAIT = 60.0


def store_spec() -> dict[str, t.Any]:
    """The store dictionary as an option. Defaults, and what the environment provides, are added later."""
    spec: dict[str, t.Any] = {"type": {"type": "str", "required": True, "choices": list(TYPES)}}
    for name, option in OPTIONS.items():
        spec[name] = {"type": option.kind, "no_log": option.secret}
        if option.kind == "list":
            spec[name]["elements"] = "str"
        if option.choices:
            spec[name]["choices"] = list(option.choices)
    return {"type": "dict", "options": spec}


def own_store_spec() -> dict[str, t.Any]:
    """What one of many keys may have of its own: not secrets, since they could not be hidden there."""
    return {"type": "dict"}


def value_spec() -> dict[str, t.Any]:
    """The options of a task that creates keys and brings their values home."""
    return {
        "store": store_spec(),
        "on_missing": {"type": "str", "choices": list(ON_MISSING), "default": "fail"},
        "return_values": {"type": "bool", "default": False},
        "verify_time": {"type": "str", "default": "60s"},
        "marks": marks_spec(),
    }


def read_run(module: HoneycombModule, concurrency: int) -> Run:
    """What the steps of a handover work with."""
    return Run(
        client=module.client(connections=concurrency),
        marks=Marks.from_options(module.params["marks"]),
        verify_time=parse_duration(module.params["verify_time"], "verify_time"),
        preview=module.check_mode,
        warn=module.ansible.warn,
        concurrency=concurrency,
        secret=register_secret,
    )


def tell_expected_wait(module: HoneycombModule, run: Run, requests: t.Mapping[str, int]) -> int:
    """Say in check mode for how long the rate limit will hold a real run, where that is a matter of minutes.

    :returns: Seconds, to be returned too.
    """
    seconds = run.client.transport.expected_wait(requests)
    if module.check_mode and seconds >= _LONG_WAIT:
        most = module.params["max_wait"]
        too_long = (
            f" That is more than max_wait allows ({describe_seconds(most)}): it would stop in between, and the next "
            "run would go on. Raise max_wait to do it in one run."
        )
        module.ansible.warn(
            f"Honeycomb's rate limit would hold this task for about {describe_seconds(seconds)}."
            + (too_long if seconds > most else "")
        )
    return round(seconds)
