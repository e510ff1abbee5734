# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""What the phases of a rotation work on, and hand to each other."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from datetime import timedelta

from .._api.resources import Environment
from .._keys.homes import Home
from .._keys.plan import label_of
from .._stores.store import Slots
from .._time import parse_duration
from .decisions import Assessment, Policy


@dataclass(frozen=True)
class Job:
    """One key to rotate.

    :param position: Which of the task's ``rotations`` it is, from 0.
    :param home: Where its value belongs; ``None`` where the user stores it.
    """

    position: int
    name: str
    key_type: str
    environment: Environment
    policy: Policy
    home: Home | None = None

    @property
    def label(self) -> str:
        return label_of(self.key_type, self.name, self.environment)


@dataclass(frozen=True)
class Case:
    """A job, and what was found and decided about it.

    :param slots: What its home holds; ``None`` where it was not looked at.
    """

    job: Job
    state: Assessment
    slots: Slots | None = None


@dataclass(frozen=True)
class Staged:
    """A pending key on its way to the consumers: what the later phases need to know of it.

    It leaves the stage phase as a result and comes back as an option, so that deployment can happen in between.

    :param old_id: The key that it replaces; ``None`` where there was no current key.
    :param stale_ids: What unfinished runs left enabled: pending keys, and those that a promotion had begun to retire.
    :param value: What applications use, a secret; ``None`` where a store has it. Deployments need it.
    :param home: Where the value belongs; ``None`` where the user stores it. It does not leave the module.
    """

    position: int | None
    name: str
    key_type: str
    environment: Environment
    overlap: timedelta
    old_id: str | None
    stale_ids: tuple[str, ...]
    new_id: str
    value: str | None = field(repr=False)
    home: Home | None = None

    @property
    def label(self) -> str:
        return label_of(self.key_type, self.name, self.environment)

    @property
    def kept(self) -> bool:
        """Whether the value is in the pending slot of a store."""
        return self.home is not None and self.home.store.has_pending

    @property
    def ids(self) -> list[str]:
        """Every key that its promotion may touch: the new one first, then what it replaces."""
        return [self.new_id, *([self.old_id] if self.old_id else []), *self.stale_ids]

    @classmethod
    def from_options(cls, entry: t.Mapping[str, t.Any], home: Home | None = None) -> Staged:
        """One entry of the option ``staged``.

        :param home: Where its value belongs.
        :raises InputError: Its overlap is not a duration.
        """
        return cls(
            position=entry["position"],
            name=entry["name"],
            key_type=entry["key_type"],
            environment=Environment(entry["environment"], slug=entry["environment_slug"]),
            overlap=parse_duration(entry["overlap"], "staged.overlap"),
            old_id=entry["old_id"] or None,
            stale_ids=tuple(entry["stale_ids"] or ()),
            new_id=entry["new_id"],
            value=entry["key"],
            home=home,
        )

    def as_result(self) -> dict[str, t.Any]:
        """What :meth:`from_options` reads."""
        return {
            "position": self.position,
            "name": self.name,
            "key_type": self.key_type,
            "environment": self.environment.id,
            "environment_slug": self.environment.slug,
            "overlap": f"{int(self.overlap.total_seconds())}s",
            "old_id": self.old_id,
            "stale_ids": list(self.stale_ids),
            "new_id": self.new_id,
            # Where a store has it, it need not come along.
            "key": None if self.kept else self.value,
            "place": self.home.place if self.home else None,
        }
