#!/usr/bin/python

# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: honeycomb_auth_info
short_description: Get information about a management key, or check a Honeycomb key
version_added: 0.1.0
author:
  - Contributors to the community.honeycomb collection (@ansible-collections)
description:
  - Without O(key), returns the id, name, scopes and team of the management key.
  - With O(key), checks whether Honeycomb accepts this ingest or configuration key, and returns what it may do. This needs no management
    key, so it can run where the application runs.
extends_documentation_fragment:
  - community.honeycomb.auth
  - community.honeycomb.attributes
  - community.honeycomb.attributes.info
options:
  key:
    description:
      - The value of an ingest or configuration key, as an application uses it.
    type: str
seealso:
  - module: community.honeycomb.honeycomb_api_key
"""

EXAMPLES = r"""
- name: Get the team and the scopes of the management key
  community.honeycomb.honeycomb_auth_info:
  register: management

- name: Stop early if it can't create keys
  ansible.builtin.assert:
    that: "'api-keys:write' in management.management_key.scopes"
    fail_msg: "{{ management.management_key.name }} can't write keys of {{ management.team.slug }}"

- name: Check that Honeycomb accepts the deployed key
  community.honeycomb.honeycomb_auth_info:
    key: "{{ lookup('ansible.builtin.file', key_directory ~ '/checkout.key') }}"
  register: deployed
  failed_when: not deployed.valid or deployed.environment.slug != 'production'
"""

RETURN = r"""
management_key:
  description: The management key.
  returned: success, without O(key)
  type: dict
  contains:
    id:
      description: Its id.
      type: str
      sample: hcxmk_01hqk4k20cjeh63wca8vva5stw
    name:
      description: Its name.
      type: str
      sample: automation
    scopes:
      description: Its scopes.
      type: list
      elements: str
      sample: ["api-keys:read", "api-keys:write", "environments:read"]
team:
  description: The team of the key. C(null) if the value is refused.
  returned: success
  type: dict
  contains:
    id:
      description: The team's id. Only without O(key).
      type: str
      sample: hcxtm_01hqk4k20cjeh63wca8vva5stw
    name:
      description: The team's name.
      type: str
      sample: My Team
    slug:
      description: The team's slug.
      type: str
      sample: my-team
valid:
  description: Whether Honeycomb accepts the value. A refused value does not make the task fail.
  returned: success, with O(key)
  type: bool
  sample: true
id:
  description:
    - The id of the key that the value belongs to. For a configuration key, this may be an older, internal id that no other call knows.
    - C(null) if the value is refused.
  returned: success, with O(key)
  type: str
  sample: hcxik_01hqk4k20cjeh63wca8vva5stw
key_type:
  description: V(ingest) or V(configuration). C(null) if the value is refused.
  returned: success, with O(key)
  type: str
  sample: ingest
environment:
  description: The environment of the key. C(null) if the value is refused.
  returned: success, with O(key)
  type: dict
  contains:
    name:
      description: The environment's name.
      type: str
      sample: Production
    slug:
      description: The environment's slug.
      type: str
      sample: production
access:
  description: What the key may do, with the names that this part of the API uses. C(null) if the value is refused.
  returned: success, with O(key)
  type: dict
  sample: {"createDatasets": true}
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

from ansible_collections.community.honeycomb.plugins.module_utils._module.auth_info import run_auth_info
from ansible_collections.community.honeycomb.plugins.module_utils._module.base import HoneycombModule


def main() -> None:
    HoneycombModule({"key": {"type": "str", "no_log": True}}).run(run_auth_info)


if __name__ == "__main__":
    main()
