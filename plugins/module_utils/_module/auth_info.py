# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""What ``honeycomb_auth_info`` does, between its options and its results."""

from __future__ import annotations

import typing as t

from .._api.client import check_value
from .._errors import InputError
from .base import HoneycombModule


def run_auth_info(module: HoneycombModule) -> dict[str, t.Any]:
    """``honeycomb_auth_info``"""
    value = module.params["key"]
    if value is None:
        management = module.client().management_key()
        team = management.team
        return {
            "changed": False,
            "management_key": {"id": management.id, "name": management.name, "scopes": list(management.scopes)},
            "team": {"id": team.id, "name": team.name, "slug": team.slug},
        }
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise InputError(
            "key: it is empty or holds characters that can't be in a key, for example a line break. Remove them."
        )
    check = check_value(module.transport(), value)
    return {
        "changed": False,
        "valid": check is not None,
        "id": check and check.id,
        "key_type": check and check.key_type,
        "team": check and check.team,
        "environment": check and check.environment,
        "access": check and check.access,
    }
