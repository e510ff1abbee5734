# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""The options that modules share, and how they are read."""

from __future__ import annotations

import os
import typing as t

from ansible.module_utils.common.validation import check_type_dict
from ansible.module_utils.errors import AnsibleFallbackNotFound
from ansible.module_utils.parsing.convert_bool import boolean

from .._api.resources import KEY_TYPES, PERMISSIONS
from .._http.transport import US_SERVICE
from .._keys.generations import Marks
from .._stores.options import misplaced_secret


def from_environment(*names: str) -> str:
    """The first of these environment variables that is not empty: schedulers set variables that have no value."""
    for name in names:
        if os.environ.get(name):
            return os.environ[name]
    raise AnsibleFallbackNotFound


def auth_spec() -> dict[str, t.Any]:
    """The options that the documentation fragment ``community.honeycomb.auth`` describes."""
    return {
        "management_key_id": {
            "type": "str",
            "no_log": False,
            "fallback": (from_environment, ["HONEYCOMB_KEY_ID", "HONEYCOMB_MANAGEMENT_KEY"]),
        },
        "management_key_secret": {
            "type": "str",
            "no_log": True,
            "fallback": (from_environment, ["HONEYCOMB_KEY_SECRET", "HONEYCOMB_MANAGEMENT_SECRET"]),
        },
        "team": {"type": "str", "fallback": (from_environment, ["HONEYCOMB_TEAM"])},
        "api_url": {"type": "str", "default": US_SERVICE, "fallback": (from_environment, ["HONEYCOMB_API_ENDPOINT"])},
        "timeout": {"type": "float", "default": 10, "fallback": (from_environment, ["HONEYCOMB_TIMEOUT"])},
        "max_wait": {"type": "float", "default": 300, "fallback": (from_environment, ["HONEYCOMB_MAX_WAIT"])},
        "validate_certs": {"type": "bool", "default": True},
        "ca_path": {"type": "path"},
    }


def find_problem(spec: dict[str, t.Any], given: dict[str, t.Any], at: str = "") -> str | None:
    """What is wrong with the shape of nested options, where Ansible itself would not say which entry it is about.

    :param at: Where ``given`` is, for the message.
    """
    for name, option in spec.items():
        spellings = {spelling: given[spelling] for spelling in (name, *option.get("aliases", ())) if spelling in given}
        if len({_comparable(option, value) for value in spellings.values() if value is not None}) > 1:
            told = " and ".join(f"{spelling}={value}" for spelling, value in spellings.items())
            return f"{at}{name}: it is given twice, as {told}. Give it once."
        for value in spellings.values() if name == "store" and "options" not in option else ():
            secret = misplaced_secret(value)
            if secret:
                return (
                    f"{at}{name}.{secret}: a secret can't be given for one key of many, since Ansible would not hide "
                    "it there. Give it in the task's store, or in its environment variable."
                )
        if "options" not in option:
            continue
        for value in spellings.values():
            many = isinstance(value, list)
            for index, entry in enumerate(value if many else [value]):
                place = f"{at}{name}[{index}]" if many else f"{at}{name}"
                problem = _shape_problem(option["options"], entry, place)
                if problem:
                    return problem
    return None


def _comparable(option: dict[str, t.Any], value: t.Any) -> str:
    """A value in a form in which equal ones are equal, however they are written."""
    try:
        return str(boolean(value)) if option.get("type") == "bool" else str(value)
    except TypeError:
        return str(value)


_KINDS = {str: "a string", bool: "a boolean", int: "a number", float: "a number", list: "a list"}


def _shape_problem(spec: dict[str, t.Any], entry: t.Any, place: str) -> str | None:
    if entry is None:
        return None
    try:
        entry = check_type_dict(entry)
    except TypeError:
        example = "name" if "name" in spec else next(iter(spec))
        return (
            f"{place}: give a dictionary like {{{example}: ...}}, not {_KINDS.get(type(entry), type(entry).__name__)}."
        )
    return find_problem(spec, entry, f"{place}.")


def key_spec() -> dict[str, t.Any]:
    """The options that describe one key."""
    return {
        "state": {"type": "str", "choices": ["present", "disabled", "pending", "absent"], "default": "present"},
        "id": {"type": "str"},
        "name": {"type": "str"},
        "key_type": {"type": "str", "choices": list(KEY_TYPES)},
        "environment": {"type": "str"},
        "permissions": {"type": "dict", "options": permission_spec()},
        "purge_permissions": {"type": "bool", "default": True},
        "time_to_live": {"type": "str", "no_log": False},
    }


def permission_spec() -> dict[str, t.Any]:
    """Every permission, by the service's name; the one in mixed case also in the field's usual spelling."""
    spec: dict[str, t.Any] = {name: {"type": "bool"} for name in PERMISSIONS}
    spec["manage_privateBoards"]["aliases"] = ["manage_private_boards"]
    return spec


def marks_spec() -> dict[str, t.Any]:
    """The words that mark the generations of rotated keys."""
    words = {option: {"type": "str", "default": word} for option, word in Marks().words().items()}
    return {"type": "dict", "options": words}


def given_permissions(option: dict[str, t.Any] | None) -> dict[str, bool] | None:
    """The permissions that the user gave, without aliases and what was left out."""
    return None if option is None else {name: option[name] for name in PERMISSIONS if option.get(name) is not None}
