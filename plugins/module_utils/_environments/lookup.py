# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""Finding the environment that a user means, with as few requests as possible."""

from __future__ import annotations

import contextlib
import typing as t

from .._api.client import Client
from .._api.resources import Environment
from .._errors import Forbidden, InputError


def matching(environments: t.Iterable[Environment], wanted: str) -> list[Environment]:
    """The environments with this id, slug or name."""
    return [entry for entry in environments if wanted in (entry.id, entry.slug, entry.name)]


def find_environment(
    environments: t.Iterable[Environment], wanted: str, option: str = "environment"
) -> Environment | None:
    """The environment that the user means by its id, slug or name; ``None`` when there is none.

    :param option: Named in the error.
    :raises InputError: More than one is meant.
    """
    matches = matching(environments, wanted)
    if len(matches) > 1:
        ids = ", ".join(f"{entry.id} ({entry.name}, slug {entry.slug})" for entry in matches)
        raise InputError(
            f"{option}: {wanted!r} means more than one environment: {ids}. Nothing was changed; give the id."
        )
    return matches[0] if matches else None


class Environments:
    """Looks up environments with as few requests as possible.

    A management key without ``environments:read`` still works where environments are given by id; their names then stay
    unknown.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._all: list[Environment] | None = None
        self._refused: Forbidden | None = None
        self.known: dict[str, Environment] = {}

    def _load(self) -> list[Environment]:
        if self._refused:
            raise self._refused
        if self._all is None:
            try:
                self._all = self._client.list_environments()
            except Forbidden as exc:
                self._refused = exc
                raise
            self.known.update((entry.id, entry) for entry in self._all)
        return self._all

    def resolve(self, wanted: str) -> Environment:
        """The environment that the user means.

        :raises InputError: there is none, or it can't be looked up.
        """
        try:
            environments = self._load()
        except Forbidden as exc:
            if not _looks_like_id(wanted):
                exc.message += f" Or give environment {wanted!r} by its id."
                raise
            return self.known.setdefault(wanted, Environment(wanted))
        found = find_environment(environments, wanted)
        if found is None:
            known = ", ".join(sorted(entry.label for entry in environments)) or "none"
            raise InputError(
                f"environment: there is no environment with the id, slug or name {wanted!r}. This team has: {known}."
            )
        return found

    def look(self) -> None:
        """Load all of them, as far as the management key may read them."""
        with contextlib.suppress(Forbidden):
            self._load()

    def name(self, ids: t.Iterable[str]) -> dict[str, Environment]:
        """The environments by id, as far as the management key may read them."""
        if not set(ids) <= set(self.known):
            self.look()
        return self.known


def _looks_like_id(text: str) -> bool:
    """The third character varies with the region."""
    return len(text) > 6 and text.startswith("hc") and text[3:6] == "en_"
