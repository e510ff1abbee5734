# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""What ``honeycomb_environment_info`` does, between its options and its results."""

from __future__ import annotations

import typing as t

from .._api.resources import describe_environment
from .._environments.lookup import matching
from .._errors import InputError
from .base import HoneycombModule


def run_environment_info(module: HoneycombModule) -> dict[str, t.Any]:
    """``honeycomb_environment_info``"""
    wanted = module.params["environment"]
    if wanted == "":
        raise InputError("environment: it is empty. Omit it, or say which environment is meant.")
    listed = module.client().list_environments()
    found = listed if wanted is None else matching(listed, wanted)
    found = sorted(found, key=lambda entry: (entry.name or "", entry.id))
    return {"changed": False, "environments": [describe_environment(entry) for entry in found]}
