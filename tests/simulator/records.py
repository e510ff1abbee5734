# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the simulated service stores, and how it makes up ids and secrets."""

from __future__ import annotations

import copy
import secrets
import string
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone

CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
ALPHANUMERIC = string.ascii_letters + string.digits

KEY_TYPES = ("ingest", "configuration")
INGEST_PERMISSIONS = ("create_datasets",)
CONFIGURATION_PERMISSIONS = (
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
PERMISSIONS = {"ingest": INGEST_PERMISSIONS, "configuration": CONFIGURATION_PERMISSIONS}
SCOPES = ("api-keys:read", "api-keys:write", "environments:read", "environments:write")
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


def _base32(number: int, length: int) -> str:
    return "".join(CROCKFORD[(number >> (5 * place)) & 31] for place in range(length - 1, -1, -1))


def ulid() -> str:
    """26 lower-case characters: 48 bits of milliseconds, then 80 random bits."""
    return _base32(int(time.time() * 1000) & (2**48 - 1), 10) + _base32(secrets.randbits(80), 16)


def ingest_secret() -> str:
    """32 characters, the length of ingest and management secrets."""
    return _base32(secrets.randbits(160), 32)


def configuration_secret() -> str:
    """22 characters, the length of a configuration key's secret."""
    return "".join(secrets.choice(ALPHANUMERIC) for _unused in range(22))


def internal_id() -> str:
    """The older style of id that ``/1/auth`` shows for configuration keys."""
    return "".join(secrets.choice(ALPHANUMERIC) for _unused in range(12))


def rfc3339(moment: datetime) -> str:
    """A moment as the service writes it: UTC, whole seconds, ``Z``."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Environment:
    """One environment. ``delete_protected`` is the only one of its settings."""

    id: str
    name: str
    slug: str
    description: str = ""
    color: str = "blue"
    delete_protected: bool = True
    sequence: int = 0


@dataclass
class Key:
    """One ingest or configuration key.

    ``environment`` is a slug. ``value`` is what an application uses: id and secret joined for an ingest key, the secret
    alone for a configuration key. Secrets are left out of ``repr``.
    """

    id: str
    secret: str = field(repr=False)
    name: str
    key_type: str
    environment: str
    environment_id: str
    disabled: bool
    permissions: dict[str, bool]
    created: datetime
    updated: datetime
    time_to_live: datetime | None = None
    sequence: int = 0
    internal_id: str = field(default="", repr=False)
    # (seconds since the epoch, whether enabled from then on), for propagation
    history: list[tuple[float, bool]] = field(default_factory=list, repr=False)

    @property
    def value(self) -> str:
        return self.id + self.secret if self.key_type == "ingest" else self.secret

    def snapshot(self) -> Key:
        """A copy that later requests don't change."""
        twin = copy.copy(self)
        twin.permissions = dict(self.permissions)
        twin.history = list(self.history)
        return twin

    def enabled_at(self, moment: float) -> bool:
        """Whether the key existed and was enabled at that time (seconds since the epoch)."""
        enabled = False
        for since, state in self.history:
            if since > moment:
                break
            enabled = state
        return enabled


@dataclass
class ManagementKey:
    """A management key; the API has no way to create one."""

    id: str
    secret: str = field(repr=False)
    name: str
    scopes: tuple[str, ...]
    created: datetime
    disabled: bool = False
