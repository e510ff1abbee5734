# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""The service's resources as plain data, read from its JSON:API answers."""

from __future__ import annotations

import re
import typing as t
import unicodedata
from dataclasses import dataclass, field

from .._errors import InputError

KEY_TYPES = ("ingest", "configuration")

# Every permission of a configuration key; an ingest key has the first one only.
PERMISSIONS = (
    "create_datasets",
    "send_events",
    "manage_markers",
    "manage_triggers",
    "manage_boards",
    "run_queries",
    "manage_columns",
    "manage_slos",
    "manage_recipients",
    "manage_signals",
    "manage_privateBoards",
    "read_service_maps",
    "visible_team_members",
)
INGEST_PERMISSIONS = PERMISSIONS[:1]

NAME_LENGTH = 100

COLORS = (
    "blue",
    "green",
    "gold",
    "red",
    "purple",
    "lightBlue",
    "lightGreen",
    "lightGold",
    "lightRed",
    "lightPurple",
)


@dataclass(frozen=True)
class ApiKey:
    """An ingest or configuration key as the service lists it. ``id`` is ``None`` for one that is only planned."""

    id: str | None
    name: str
    key_type: str
    environment_id: str
    disabled: bool
    permissions: dict[str, bool] = field(default_factory=dict)
    created_at: str | None = None
    updated_at: str | None = None
    time_to_live: str | None = None

    @property
    def order(self) -> tuple[str, str]:
        """Oldest first; the id settles a tie, so that every run sees the same order."""
        return (self.created_at or "", self.id or "")


@dataclass(frozen=True)
class CreatedKey:
    """A key and its secret, which the service shows in this one answer only."""

    key: ApiKey
    secret: str = field(repr=False)

    @property
    def value(self) -> str:
        """What an application uses: id and secret for an ingest key, the secret alone for a configuration key."""
        return f"{self.key.id}{self.secret}" if self.key.key_type == "ingest" else self.secret

    def as_result(self) -> dict[str, t.Any]:
        return {"name": self.key.name, "id": self.key.id, "key": self.value, "secret": self.secret}


@dataclass(frozen=True)
class Environment:
    """An environment. ``name`` and the rest are ``None`` where only the id is known."""

    id: str
    name: str | None = None
    slug: str | None = None
    description: str | None = None
    color: str | None = None
    delete_protected: bool | None = None

    @property
    def label(self) -> str:
        """Its name for messages."""
        return self.slug or self.id


def looks_like_management_key_id(text: str) -> bool:
    """The third character varies with the region."""
    return re.fullmatch(r"hc.mk_\w+", text) is not None


def shortened(text: str, longest: int = 120) -> str:
    """A text in quotes for a message, cut where it is long."""
    return repr(text if len(text) <= longest else text[: longest - 3] + "...")


def check_text_name(name: str, option: str, what: str, longest: int) -> None:
    """Refuse a name that the service would refuse, or might change: whether it trims blanks is not known.

    :param option: The option that holds it, and ``what`` it names, for the message.
    :raises InputError: naming the option.
    """
    shown = shortened(name)
    if not name.strip() or len(name) > longest:
        raise InputError(
            f"{option}: {shown} has {len(name)} characters; the name of {what} has 1 to {longest}, and not only blanks."
        )
    if any(unicodedata.category(character) == "Cc" for character in name.strip()):
        raise InputError(f"{option}: {shown} contains a control character, such as a line break. Remove it.")
    # Invisible characters count too.
    if name != name.strip() or {unicodedata.category(name[0]), unicodedata.category(name[-1])} & {"Cf", "Zs"}:
        raise InputError(
            f"{option}: {shown} begins or ends with a blank. Remove it; what already has such a name is found "
            "by its id."
        )


class UnexpectedShape(ValueError):
    """An answer that is JSON, but not what the service documents."""


def _part(data: t.Any, *names: str) -> t.Any:
    for name in names:
        data = data.get(name) if isinstance(data, dict) else None
    return data


def _text(data: t.Any, *names: str) -> str:
    value = _part(data, *names)
    if not isinstance(value, str) or not value:
        raise UnexpectedShape(".".join(names))
    return value


def _text_or_none(data: t.Any, *names: str) -> str | None:
    value = _part(data, *names)
    return value if isinstance(value, str) else None


def read_key(data: t.Any) -> ApiKey:
    """Read a key resource.

    :raises UnexpectedShape: where a needed attribute is missing.
    """
    permissions = _part(data, "attributes", "permissions")
    return ApiKey(
        id=_text(data, "id"),
        name=str(_part(data, "attributes", "name") or ""),
        key_type=_text(data, "attributes", "key_type"),
        environment_id=_text(data, "relationships", "environment", "data", "id"),
        disabled=bool(_part(data, "attributes", "disabled")),
        permissions={name: bool(value) for name, value in permissions.items()} if isinstance(permissions, dict) else {},
        created_at=_text_or_none(data, "attributes", "timestamps", "created"),
        updated_at=_text_or_none(data, "attributes", "timestamps", "updated"),
        time_to_live=_text_or_none(data, "attributes", "time_to_live"),
    )


def read_created_key(data: t.Any) -> CreatedKey:
    """Read the answer to a create, the only one that holds a secret."""
    return CreatedKey(key=read_key(data), secret=_text(data, "attributes", "secret"))


def read_environment(data: t.Any) -> Environment:
    """Read an environment resource."""
    return Environment(
        id=_text(data, "id"),
        name=_text(data, "attributes", "name"),
        slug=_text_or_none(data, "attributes", "slug"),
        description=_text_or_none(data, "attributes", "description") or "",
        color=_text_or_none(data, "attributes", "color"),
        delete_protected=_part(data, "attributes", "settings", "delete_protected"),
    )


def describe_key(key: ApiKey, environments: t.Mapping[str, Environment]) -> dict[str, t.Any]:
    """A key as modules return it: everything but a secret, which an :class:`ApiKey` does not have."""
    environment = environments.get(key.environment_id) or Environment(key.environment_id)
    return {
        "id": key.id,
        "name": key.name,
        "key_type": key.key_type,
        "environment": {"id": environment.id, "name": environment.name, "slug": environment.slug},
        "disabled": key.disabled,
        "permissions": full_permissions(key),
        "created_at": key.created_at,
        "updated_at": key.updated_at,
    }


def full_permissions(key: ApiKey) -> dict[str, bool]:
    """Every permission that this type of key can have, and any the service has added since."""
    known = INGEST_PERMISSIONS if key.key_type == "ingest" else PERMISSIONS
    return {**dict.fromkeys(known, False), **key.permissions}


def granted_permissions(key: ApiKey) -> frozenset[str]:
    """What a key may do. Unlike flags, these can be compared where the service knows more permissions than we do."""
    return frozenset(name for name, granted in key.permissions.items() if granted)


def describe_environment(environment: Environment) -> dict[str, t.Any]:
    """An environment as modules return it."""
    return {
        "id": environment.id,
        "name": environment.name,
        "slug": environment.slug,
        "description": environment.description,
        "color": environment.color,
        "delete_protected": environment.delete_protected,
    }
