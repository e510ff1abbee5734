# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What C(honeycomb_environment_info) does, between its options and its results."""

from __future__ import annotations

import typing as t

from .._api.resources import describe_environment
from .._errors import InputError
from .base import HoneycombModule


def run_environment_info(module: HoneycombModule) -> dict[str, t.Any]:
    """``honeycomb_environment_info``"""
    wanted = module.params["environment"]
    if wanted == "":
        raise InputError("environment: it is empty. Leave it out, or say which environment is meant.")
    listed = module.client().list_environments()
    found = [entry for entry in listed if wanted in (None, entry.id, entry.slug, entry.name)]
    found.sort(key=lambda entry: (entry.name or "", entry.id))
    return {"changed": False, "environments": [describe_environment(entry) for entry in found]}
