#!/usr/bin/python

# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: honeycomb_api_key_info
short_description: List Honeycomb API keys
version_added: 0.1.0
author:
  - Contributors to the community.honeycomb collection (@ansible-collections)
description:
  - Lists all ingest and configuration keys of a team, and counts them.
  - Filters narrow the list; a key has to match all of them. This module never returns a secret.
extends_documentation_fragment:
  - community.honeycomb.auth
  - community.honeycomb.attributes
  - community.honeycomb.attributes.info
options:
  id:
    description: Only the key with this id.
    type: str
  name:
    description: Only keys with this exact name.
    type: str
  key_type:
    description: Only keys of this type.
    type: str
    choices:
      - ingest
      - configuration
  environment:
    description:
      - Only keys of the environment with this id, slug or name. A slug or name requires the scope C(environments:read).
    type: str
  status:
    description: Only keys that are enabled, or only keys that are disabled.
    type: str
    choices:
      - enabled
      - disabled
  older_than:
    description:
      - Only keys that are older than this. A number with the unit C(s), C(m), C(h), C(d) or C(w), for example V(90d) or V(12h).
    type: str
seealso:
  - module: community.honeycomb.honeycomb_api_key
"""

EXAMPLES = r"""
- name: Every key of the team
  community.honeycomb.honeycomb_api_key_info:
  register: team_keys

- name: Ingest keys of production that are enabled and older than 90 days
  community.honeycomb.honeycomb_api_key_info:
    environment: production
    key_type: ingest
    status: enabled
    older_than: 90d
  register: old_keys

- name: Show them
  ansible.builtin.debug:
    msg: "{{ old_keys.api_keys | map(attribute='name') }} of {{ team_keys.summary.total }} keys are due"
"""

RETURN = r"""
api_keys:
  description: The keys that match the filters, oldest first. Never contains a secret.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The key's id.
      type: str
      sample: hcxik_01hqk4k20cjeh63wca8vva5stw
    name:
      description: The key's name.
      type: str
      sample: checkout
    key_type:
      description: V(ingest) or V(configuration).
      type: str
      sample: ingest
    environment:
      description:
        - The key's environment. Name and slug are C(null) for a management key without the scope C(environments:read).
      type: dict
      contains:
        id:
          description: The environment's id.
          type: str
          sample: hcxen_01hznmeqrcq8rz533xrvtc6mk0
        name:
          description: The environment's name.
          type: str
          sample: Production
        slug:
          description: The environment's slug.
          type: str
          sample: production
    disabled:
      description: Whether the key is disabled.
      type: bool
      sample: false
    permissions:
      description: All permissions that this type of key can have, each true or false.
      type: dict
      sample: {"create_datasets": true}
    created_at:
      description: When the key was created.
      type: str
      sample: "2026-02-11T08:15:00Z"
    updated_at:
      description: When the key was last changed.
      type: str
      sample: "2026-02-11T08:15:00Z"
    age_days:
      description: Whole days since the key was created, by Honeycomb's clock. C(null) if Honeycomb does not report the time.
      type: int
      sample: 91
summary:
  description: Counts of RV(api_keys).
  returned: success
  type: dict
  contains:
    total:
      description: All keys.
      type: int
      sample: 3
    enabled:
      description: The enabled keys.
      type: int
      sample: 2
    disabled:
      description: The disabled keys.
      type: int
      sample: 1
    by_environment:
      description: Counts by the environment's slug, or by its id if the slug is not known.
      type: dict
      sample: {"production": 2, "staging": 1}
    by_type:
      description: Counts by type.
      type: dict
      sample: {"configuration": 1, "ingest": 2}
error:
  description: The error that Honeycomb returned.
  returned: on failure, when Honeycomb answered with an error
  type: dict
  contains:
    status:
      description: The HTTP status.
      type: int
      sample: 403
    code:
      description: Honeycomb's code for the error.
      type: str
    title:
      description: Honeycomb's short description.
      type: str
    detail:
      description: Honeycomb's longer description.
      type: str
    pointer:
      description: The attribute, parameter or header that caused the error.
      type: str
"""

from ansible_collections.community.honeycomb.plugins.module_utils._api.resources import KEY_TYPES
from ansible_collections.community.honeycomb.plugins.module_utils._module.api_key_info import run_api_key_info
from ansible_collections.community.honeycomb.plugins.module_utils._module.base import HoneycombModule


def main() -> None:
    spec = {
        "id": {"type": "str"},
        "name": {"type": "str"},
        "key_type": {"type": "str", "choices": list(KEY_TYPES)},
        "environment": {"type": "str"},
        "status": {"type": "str", "choices": ["enabled", "disabled"]},
        "older_than": {"type": "str"},
    }
    HoneycombModule(spec).run(run_api_key_info)


if __name__ == "__main__":
    main()
