# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""The presets of the store ``command``, by name."""

from __future__ import annotations

from .pass_entries import PassStore
from .sealed_files import SopsStore, SystemdCredsStore
from .store import Store

PRESETS: dict[str, type[Store]] = {"pass": PassStore, "sops": SopsStore, "systemd_creds": SystemdCredsStore}
