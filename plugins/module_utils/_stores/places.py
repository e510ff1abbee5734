# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""Which place belongs to which key: the placeholders of a store dictionary, filled in. Pure."""

from __future__ import annotations

import re
import typing as t
import unicodedata

from .._errors import InputError
from .options import OPTIONS

PLACEHOLDERS = ("name", "environment", "key_type")
_WORD = re.compile(r"\{([^{}]*)\}")


def fill(options: t.Mapping[str, t.Any], values: t.Mapping[str, str | None], label: str) -> dict[str, t.Any]:
    """A completed store dictionary for one key.

    :param values: For each of :data:`PLACEHOLDERS` its text; ``None`` where it is not known.
    :param label: Which option it is, for messages.
    :raises InputError: A placeholder is unknown or has no value, or the value would lead to another place.
    """

    def text(option: str, template: str) -> str:
        def value(match: re.Match[str]) -> str:
            word = match.group(1)
            if word not in PLACEHOLDERS:
                if OPTIONS[option].kind == "list":
                    return match.group(0)  # an argument of a program may hold anything
                known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
                raise InputError(f"{label}.{option}: there is no placeholder {match.group(0)}. There are: {known}.")
            found = values.get(word)
            if found is None:
                raise InputError(
                    f"{label}.{option}: {match.group(0)} can't be filled in, since the slug of the environment is not "
                    "known. The management key needs the scope environments:read, or write the place without it."
                )
            _check(found, f"{label}.{option}", word)
            return found

        return _WORD.sub(value, template)

    filled = dict(options)
    for option, found in options.items():
        if option == "type" or found is None or not OPTIONS[option].template:
            continue
        filled[option] = [text(option, str(part)) for part in found] if isinstance(found, list) else text(option, found)
    return filled


def _check(found: str, option: str, word: str) -> None:
    """A name is free text. Within a path it must not lead anywhere else."""
    if "/" in found or "\\" in found or found in (".", "..") or any(unicodedata.category(c) == "Cc" for c in found):
        raise InputError(
            f"{option}: the {word} {found!r} can't be part of a place, since it holds a slash or is a path of its own. "
            f"Name the place of this key without {{{word}}}."
        )
