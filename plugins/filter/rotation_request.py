# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter ``rotation_request``, for the role ``api_key_rotation``; documented in the file beside this one."""

from __future__ import annotations

import os
import typing as t
from collections.abc import Mapping

from ansible.errors import AnsibleFilterError

from ansible_collections.community.honeycomb.plugins.module_utils._rotation.request import read_request


def rotation_request(keys: t.Any, defaults: Mapping[str, t.Any], playbook_dir: str) -> dict[str, t.Any]:
    """The role's variables, read; see ``_rotation/request.py``."""
    if not isinstance(keys, list) or not all(isinstance(entry, Mapping) for entry in keys):
        raise AnsibleFilterError("api_key_rotation_keys is not a list of dictionaries, each with the name of a key.")
    return dict(vars(read_request(keys, defaults, playbook_dir, os.path.isfile)))


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"rotation_request": rotation_request}
