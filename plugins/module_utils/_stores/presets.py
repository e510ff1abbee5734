# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""The presets of the store ``command``: programs whose commands are known."""

from __future__ import annotations

import typing as t

from .._errors import InputError
from .command import COMMANDS
from .pass_entries import PassStore
from .sealed_files import SopsStore, SystemdCredsStore
from .store import Store

_PRESETS: dict[str, type[Store]] = {"pass": PassStore, "sops": SopsStore, "systemd_creds": SystemdCredsStore}


def preset_of(options: t.Mapping[str, t.Any]) -> type[Store]:
    """The store of the preset that is named.

    :raises InputError: It is given commands, which it has of its own, or no path.
    """
    preset = options["preset"]
    for name in COMMANDS:
        if options.get(name):
            raise InputError(f"store.{name}: the preset {preset} has commands of its own. Give one of both.")
    if not options.get("path"):
        raise InputError(f"store.path is missing: the preset {preset} needs it.")
    return _PRESETS[preset]
