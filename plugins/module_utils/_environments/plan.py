# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""Pure decisions about environments: what exists, what is wanted, and so what to do. No network, no Ansible."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field, replace

from .._api.resources import ApiKey, Environment, check_text_name, shortened
from .._errors import InputError
from .lookup import find_environment

NAME_LENGTH = 255
DESCRIPTION_LENGTH = 255
# The color of old environments. It can be neither set nor changed.
_CLASSIC = "classic"
# How many keys a message names; the result holds them all.
_NAMED_KEYS = 10


@dataclass(frozen=True)
class WantedEnvironment:
    """What the user asked for; ``None`` is what they left open. ``name`` may also be a slug."""

    state: str
    id: str | None = None
    name: str | None = None
    description: str | None = None
    color: str | None = None
    delete_protected: bool | None = None
    unprotect: bool = False
    delete_keys: bool = False


@dataclass(frozen=True)
class EnvironmentPlan:
    """What to do about one environment.

    :param action: ``none``, ``create``, ``update`` or ``delete``.
    :param environment: What exists now.
    :param after: What will exist. The ``id`` of a new environment is empty; what the service chooses is ``None``.
    :param changes: The attributes to send.
    :param unprotect: Whether the protection is lifted before a deletion.
    :param keys: The keys that are deleted with it.
    """

    action: str
    environment: Environment | None
    after: Environment | None
    changes: dict[str, t.Any] = field(default_factory=dict)
    unprotect: bool = False
    keys: tuple[ApiKey, ...] = ()

    @property
    def changed(self) -> bool:
        return self.action != "none"


def check_wanted_environment(wanted: WantedEnvironment) -> None:
    """Refuse what can't be right, whatever exists: before any request.

    :raises InputError: naming the option.
    """
    if wanted.id is None and wanted.name is None:
        raise InputError("Give the name of the environment, or its id.")
    if wanted.id is not None and not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", wanted.id):
        raise InputError(f"id: {wanted.id!r} is not an environment's id, which looks like hcxen_ and 26 characters.")
    if wanted.name is not None:
        check_text_name(wanted.name, "name", "an environment", NAME_LENGTH)
    if wanted.description is not None and len(wanted.description) > DESCRIPTION_LENGTH:
        raise InputError(
            f"description: it has {len(wanted.description)} characters; an environment's description has at most "
            f"{DESCRIPTION_LENGTH}."
        )


def find_wanted(wanted: WantedEnvironment, environments: t.Iterable[Environment]) -> Environment | None:
    """The environment that is meant.

    :raises InputError: More than one is meant.
    """
    return find_environment(environments, str(wanted.id or wanted.name), "id" if wanted.id else "name")


def plan_environment(
    wanted: WantedEnvironment,
    existing: t.Sequence[Environment],
    keys: t.Sequence[ApiKey] = (),
) -> EnvironmentPlan:
    """What to do so that one environment is as wanted.

    :param existing: The team's environments; with an id, that one is enough.
    :param keys: The keys in it; looked at only where it is to go.
    :raises InputError: where the service can't do it, or the user has to confirm more.
    """
    found = find_wanted(wanted, existing)
    if found is not None:
        _refuse_rename(wanted, found)
    if wanted.state == "absent":
        return _plan_delete(wanted, found, keys) if found else EnvironmentPlan("none", None, None)
    if found is not None:
        if wanted.color is not None and found.color == _CLASSIC:
            raise InputError(
                f"color: environment {name_of(found)} is a classic one, whose color can't be changed. Omit color."
            )
        changes = changes_for(wanted, found)
        return EnvironmentPlan("update" if changes else "none", found, with_changes(found, changes), changes)
    if wanted.id is not None:
        raise InputError(
            f"id: there is no environment {wanted.id}. The service gives the ids: to create one, omit id and "
            "give a name."
        )
    _refuse_twin(wanted, existing)
    created = Environment(
        id="",
        name=wanted.name,
        description=wanted.description or "",
        color=wanted.color,
        # The service protects every new environment.
        delete_protected=wanted.delete_protected is not False,
    )
    return EnvironmentPlan("create", None, created, creation_attributes(wanted))


def _refuse_rename(wanted: WantedEnvironment, found: Environment) -> None:
    if wanted.name is not None and wanted.name not in (found.name, found.slug):
        raise InputError(
            f"name: environment {found.id} is called {found.name!r}, and the name of an environment can't be changed. "
            "Nothing was changed; omit name or correct it, or omit id and create another environment called "
            f"{shortened(wanted.name)}."
        )


def _refuse_twin(wanted: WantedEnvironment, existing: t.Iterable[Environment]) -> None:
    """Refuse a name that differs from an existing one only in case: the service may take the two for one."""
    name = (wanted.name or "").casefold()
    for entry in existing:
        if name in ((entry.name or "").casefold(), (entry.slug or "").casefold()):
            raise InputError(
                f"name: {shortened(str(wanted.name))} differs only in case from the environment {entry.name!r}, slug "
                f"{entry.slug!r} ({entry.id}). Nothing was changed; give its exact name or slug, or choose "
                "another name."
            )


def _plan_delete(wanted: WantedEnvironment, found: Environment, keys: t.Sequence[ApiKey]) -> EnvironmentPlan:
    refusals = []
    if found.delete_protected and not wanted.unprotect:
        refusals.append("it is protected from deletion (set unprotect=true to lift that)")
    if keys and not wanted.delete_keys:
        count = "a key" if len(keys) == 1 else f"{len(keys)} keys"
        refusals.append(
            f"{count} would be deleted with it: {_named(keys)} (set delete_keys=true if whatever uses "
            f"{'it' if len(keys) == 1 else 'them'} may lose access)"
        )
    if refusals:
        raise InputError(
            f"Environment {name_of(found)} was not deleted: {'; and '.join(refusals)}. "
            "Deleting it also deletes its data, at once and for good. Nothing was changed."
        )
    return EnvironmentPlan("delete", found, None, unprotect=bool(found.delete_protected), keys=tuple(keys))


def _named(keys: t.Sequence[ApiKey]) -> str:
    names = [f"{key.name} ({key.id})" for key in keys[:_NAMED_KEYS]]
    more = len(keys) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def name_of(environment: Environment) -> str:
    """An environment's name for a message, so that it can be found by hand."""
    return f"{environment.label} ({environment.id})"


def creation_attributes(wanted: WantedEnvironment) -> dict[str, t.Any]:
    """What a request to create it can say; protection is not among it."""
    given = {"name": wanted.name, "description": wanted.description, "color": wanted.color}
    return {name: value for name, value in given.items() if value is not None}


def changes_for(wanted: WantedEnvironment, environment: Environment) -> dict[str, t.Any]:
    """The attributes to send so that an environment is as wanted: only what differs."""
    changes: dict[str, t.Any] = {}
    for name in ("description", "color"):
        value = getattr(wanted, name)
        if value is not None and value != getattr(environment, name):
            changes[name] = value
    if wanted.delete_protected is not None and wanted.delete_protected != environment.delete_protected:
        changes["settings"] = {"delete_protected": wanted.delete_protected}
    return changes


def with_changes(environment: Environment, changes: t.Mapping[str, t.Any]) -> Environment:
    """The environment as it will be after these changes."""
    flat = {name: value for name, value in changes.items() if name != "settings"}
    return replace(environment, **flat, **changes.get("settings", {}))


def project_environment(environment: Environment | None, keys: t.Sequence[ApiKey] = ()) -> dict[str, t.Any]:
    """An environment as a diff shows it: what the user manages, and the keys that go with it."""
    if environment is None:
        return {}
    shown: dict[str, t.Any] = {
        "name": environment.name,
        "description": environment.description,
        "color": environment.color,
        "delete_protected": environment.delete_protected,
    }
    if keys:
        shown["api_keys"] = [f"{key.name} ({key.id})" for key in keys]
    return shown
