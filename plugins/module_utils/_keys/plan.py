# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""Pure decisions about keys: what exists, what is wanted, and so what to do. No network, no clock, no Ansible."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field, replace
from datetime import datetime

from .._api.resources import (
    INGEST_PERMISSIONS,
    KEY_TYPES,
    NAME_LENGTH,
    PERMISSIONS,
    ApiKey,
    Environment,
    check_text_name,
    full_permissions,
    granted_permissions,
)
from .._errors import InputError
from .._time import format_timestamp, parse_timestamp


@dataclass(frozen=True)
class Wanted:
    """What the user asked for about one key. ``label`` says which item of a list it is, for messages."""

    state: str
    id: str | None = None
    name: str | None = None
    key_type: str | None = None
    environment: Environment | None = None
    permissions: dict[str, bool] | None = None
    purge_permissions: bool = True
    time_to_live: str | None = None
    label: str = ""


@dataclass(frozen=True)
class Plan:
    """A change to one key, decided and not carried out yet: what ``_keys/apply.py`` does or predicts.

    :param action: ``none``, ``create``, ``update`` or ``delete``.
    :param key: What is there.
    :param after: What will be there.
    :param changes: The attributes of an update.
    :param label: Which item of a list it is about, to begin a message with.
    :param why: The reason, for people.
    :param guarded: A deletion that is called off unless the key is still disabled and has the name it was listed with.
    """

    action: str
    key: ApiKey | None
    after: ApiKey | None
    changes: dict[str, t.Any] = field(default_factory=dict)
    label: str = ""
    why: str = ""
    guarded: bool = False

    @property
    def changed(self) -> bool:
        return self.action != "none"


def create_plan(wanted: ApiKey, *, label: str = "", why: str = "") -> Plan:
    """Create a key; ``wanted`` has no id."""
    return Plan("create", None, wanted, label=label, why=why)


def update_plan(key: ApiKey, changes: dict[str, t.Any], *, label: str = "", why: str = "") -> Plan:
    """Change attributes of a key. Permissions that are not among the changes keep their values."""
    permissions = {**key.permissions, **changes.get("permissions", {})}
    return Plan("update", key, replace(key, **{**changes, "permissions": permissions}), changes, label, why)


def delete_plan(key: ApiKey, *, label: str = "", why: str = "", guarded: bool = False) -> Plan:
    """Delete a key for good."""
    return Plan("delete", key, None, label=label, why=why, guarded=guarded)


def label_of(key_type: str, name: str, environment: Environment) -> str:
    """How a key is called in a message."""
    return f"{key_type} key {name!r} of {environment.label}"


def about(label: str, text: str) -> str:
    """A sentence that goes on after the label of a key."""
    return f"{label[0].upper()}{label[1:]}: {text}"


def check_name(name: str, option: str = "name") -> None:
    """Refuse a name that the service would refuse, or might change."""
    check_text_name(name, option, "a key", NAME_LENGTH)


def check_wanted(wanted: Wanted) -> None:
    """Refuse what can't be right, whatever exists: before any request.

    :raises InputError: naming the option.
    """
    at = wanted.label
    if wanted.name is not None:
        check_name(wanted.name, f"{at}name")
    if wanted.id is not None and not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", wanted.id):
        raise InputError(
            f"{at}id: {wanted.id!r} is not a key's id, which looks like hcxik_ or hcxlk_ and 26 characters."
        )
    if wanted.id is not None and wanted.state == "pending":
        raise InputError(f"{at}state: a pending key is a new one, so it can't have an id. Omit id, or use present.")
    if wanted.id is None:
        if wanted.name is None:
            raise InputError(f"{at}Give a name (with key_type and environment) or an id.")
        for option, value in (("key_type", wanted.key_type), ("environment", wanted.environment)):
            if value is None:
                raise InputError(
                    f"{at}{option} is missing: a key is found by its name within key_type and environment. Give "
                    "both, or "
                    "an id."
                )
    if wanted.time_to_live is not None:
        if wanted.key_type == "configuration":
            raise InputError(f"{at}time_to_live: only ingest keys can have one.")
        if parse_timestamp(wanted.time_to_live) is None:
            raise InputError(
                f"{at}time_to_live: {wanted.time_to_live!r} is not an RFC 3339 time like 2030-01-31T12:00:00Z."
            )
    if wanted.key_type:
        _check_permissions(wanted, wanted.key_type)


def _check_permissions(wanted: Wanted, key_type: str) -> None:
    at = wanted.label
    granted = {name for name, value in (wanted.permissions or {}).items() if value}
    unknown = sorted(set(wanted.permissions or {}) - set(PERMISSIONS))
    if unknown:
        raise InputError(
            f"{at}permissions.{unknown[0]}: there is no such permission. There are: {', '.join(PERMISSIONS)}."
        )
    if key_type == "ingest":
        beyond = sorted(granted - set(INGEST_PERMISSIONS))
        if beyond:
            raise InputError(
                f"{at}permissions.{beyond[0]}: an ingest key can have only create_datasets. "
                "Remove it, or create a configuration key."
            )
    _refuse_visible_private_boards(granted, at)


def _refuse_visible_private_boards(granted: t.Collection[str], at: str) -> None:
    if {"manage_privateBoards", "visible_team_members"} <= set(granted):
        raise InputError(
            f"{at}permissions: manage_privateBoards and visible_team_members exclude each other: a key that "
            "every member can see must not reach private boards."
        )


def place_of(key: ApiKey) -> tuple[str, str, str]:
    """What a key is found by, apart from its id: its name within type and environment."""
    return (key.name, key.key_type, key.environment_id)


def wanted_place(wanted: Wanted) -> tuple[str | None, str | None, str | None]:
    """The :func:`place_of` the key that is wanted by name."""
    return (wanted.name, wanted.key_type, wanted.environment.id if wanted.environment else None)


def find_key(wanted: Wanted, existing: t.Iterable[ApiKey]) -> ApiKey | None:
    """The key that is meant: by id, else by name within type and environment.

    :raises InputError: more than one has this name.
    """
    if wanted.id is not None:
        return next((key for key in existing if key.id == wanted.id), None)
    matches = [key for key in existing if place_of(key) == wanted_place(wanted)]
    if len(matches) > 1:
        raise InputError(
            f"{wanted.label}name: {len(matches)} {wanted.key_type} keys of environment "
            f"{wanted.environment.label if wanted.environment else ''} are called {wanted.name!r}: "
            f"{', '.join(sorted(str(key.id) for key in matches))}. Nothing was changed; give the id."
        )
    return matches[0] if matches else None


def plan_key(wanted: Wanted, existing: t.Iterable[ApiKey], known: t.Mapping[str, Environment] | None = None) -> Plan:
    """What to do so that one key is as wanted.

    :param known: Environments by id, for messages.

    :raises InputError: what the service can't do.
    """
    key = find_key(wanted, existing)
    if wanted.state == "absent":
        if key is None:
            return Plan("none", None, None, label=wanted.label)
        _refuse_unchangeable(wanted, key, known or {})
        if wanted.name is not None and wanted.name != key.name:
            raise InputError(
                f"{wanted.label}name: key {key.id} is called {key.name!r}, not {wanted.name!r}, so it may not "
                "be the one you "
                "mean. Nothing was deleted; omit name, or correct it."
            )
        return delete_plan(key, label=wanted.label)
    if key is not None:
        return _plan_update(wanted, key, known or {})
    if wanted.id is not None:
        raise InputError(
            f"{wanted.label}id: there is no key {wanted.id}. Honeycomb assigns the ids: "
            "to create a key, omit id and give name, key_type and environment."
        )
    return _plan_create(wanted)


def _refuse_unchangeable(wanted: Wanted, key: ApiKey, known: t.Mapping[str, Environment]) -> None:
    """Refuse attributes that differ and can't be changed (with an id, they were not used to find the key)."""
    if wanted.key_type is not None and wanted.key_type != key.key_type:
        differs = f"key_type: {key.id} ({key.name}) is a key of type {key.key_type}, not {wanted.key_type}"
    elif wanted.environment is not None and wanted.environment.id != key.environment_id:
        place = known.get(key.environment_id) or Environment(key.environment_id)
        differs = (
            f"environment: key {key.id} ({key.name}) is in environment {place.label}, not in {wanted.environment.label}"
        )
    else:
        return
    raise InputError(
        f"{wanted.label}{differs}. That can't be changed after creation: create another key, or correct the task."
    )


def _plan_create(wanted: Wanted) -> Plan:
    if not (wanted.name and wanted.key_type in KEY_TYPES and wanted.environment):
        raise InputError(f"{wanted.label}To create a key, give name, key_type and environment.")
    permissions = {name: True for name, value in (wanted.permissions or {}).items() if value}
    expiry = parse_timestamp(wanted.time_to_live)
    after = ApiKey(
        id=None,
        name=wanted.name,
        key_type=str(wanted.key_type),
        environment_id=wanted.environment.id,
        disabled=wanted.state == "disabled",
        permissions=permissions,
        # In one form, whatever YAML made of what the user wrote.
        time_to_live=format_timestamp(expiry) if expiry else None,
    )
    return create_plan(after, label=wanted.label)


def _plan_update(wanted: Wanted, key: ApiKey, known: t.Mapping[str, Environment]) -> Plan:
    _refuse_unchangeable(wanted, key, known)
    _check_permissions(wanted, key.key_type)
    _check_time_to_live(wanted, key)
    changes: dict[str, t.Any] = {}
    if wanted.name is not None and wanted.name != key.name:
        changes["name"] = wanted.name
    # Whoever asks for a pending key wants one that is there left as it is.
    if wanted.state != "pending" and (wanted.state == "disabled") != key.disabled:
        changes["disabled"] = wanted.state == "disabled"
    permissions = _changed_permissions(wanted, key)
    if permissions and key.key_type == "ingest":
        raise InputError(
            f"{wanted.label}permissions.{sorted(permissions)[0]}: the permissions of an ingest key can't be "
            "changed; key "
            f"{key.id} ({key.name}) keeps {_flags(full_permissions(key))}. Omit permissions, or create another key "
            "and replace this one."
        )
    if permissions:
        if any(permissions.values()):
            together = {**key.permissions, **permissions}
            _refuse_visible_private_boards({name for name, granted in together.items() if granted}, wanted.label)
        changes["permissions"] = permissions
    if not changes:
        return Plan("none", key, key, label=wanted.label)
    return update_plan(key, changes, label=wanted.label)


def refuse_expired(plan: Plan, now: datetime) -> None:
    """Refuse to create a key that would already have expired. An existing key may have such a time.

    :param now: The service's time.
    """
    expiry = parse_timestamp(plan.after.time_to_live) if plan.action == "create" and plan.after else None
    if expiry and expiry <= now:
        raise InputError(f"{plan.label}time_to_live: {format_timestamp(expiry)} is in the past; give a future time.")


def _flags(permissions: dict[str, bool]) -> str:
    return ", ".join(f"{name}={str(value).lower()}" for name, value in sorted(permissions.items()))


def _check_time_to_live(wanted: Wanted, key: ApiKey) -> None:
    """The service may not return it; if it does, it must be the same."""
    want, have = parse_timestamp(wanted.time_to_live), parse_timestamp(key.time_to_live)
    if wanted.time_to_live is not None and key.key_type != "ingest":
        raise InputError(
            f"{wanted.label}time_to_live: only ingest keys can have one; {key.id} is a {key.key_type} key."
        )
    if want and have and format_timestamp(want) != format_timestamp(have):
        raise InputError(
            f"{wanted.label}time_to_live: key {key.id} ({key.name}) expires at {key.time_to_live}, which is set "
            "at creation "
            "and can't be changed. Omit time_to_live, or create another key and replace this one."
        )


def _changed_permissions(wanted: Wanted, key: ApiKey) -> dict[str, bool]:
    """Only what differs, each with its explicit value: omitted permissions keep their values."""
    if wanted.permissions is None:
        return {}
    have = full_permissions(key)
    want = dict(wanted.permissions)
    if wanted.purge_permissions:
        want = {**dict.fromkeys(have, False), **want}
    return {name: value for name, value in want.items() if have.get(name, False) != value}


def project(key: ApiKey | None, environments: t.Mapping[str, Environment]) -> dict[str, t.Any]:
    """A key as a diff shows it: only what the user manages."""
    if key is None:
        return {}
    environment = environments.get(key.environment_id)
    return {
        "name": key.name,
        "key_type": key.key_type,
        "environment": environment.label if environment else key.environment_id,
        "disabled": key.disabled,
        "permissions": full_permissions(key),
    }


def unexpected(plan: Plan, after: ApiKey | None) -> list[str]:
    """The names of the attributes in which the service's answer differs from the request."""
    if plan.after is None or after is None:
        return []
    want, have = plan.after, after
    names = [
        name
        for name in ("name", "key_type", "environment_id", "disabled")
        if getattr(want, name) != getattr(have, name)
    ]
    if granted_permissions(want) != granted_permissions(have):
        names.append("permissions")
    return names
