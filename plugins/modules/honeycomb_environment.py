#!/usr/bin/python

# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: honeycomb_environment
short_description: Manage one Honeycomb environment
version_added: 0.1.0
author:
  - Contributors to the community.honeycomb collection (@ansible-collections)
description:
  - Creates, changes or deletes an environment of a Honeycomb team.
  - Deletion is deliberately hard, since it deletes all keys and all data of the environment, at once and for good. A protected environment
    is deleted only with O(unprotect=true), and one that contains keys only with O(delete_keys=true).
  - The management key needs the scopes C(environments:read) and C(environments:write). To delete, it also needs C(api-keys:read).
extends_documentation_fragment:
  - community.honeycomb.auth
  - community.honeycomb.attributes
attributes:
  check_mode:
    support: full
    details:
      - With O(state=absent), a deletion that would be refused fails in check mode too. The keys that would be deleted are returned.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description:
      - With V(present), the environment exists.
      - With V(absent), it does not exist.
    type: str
    choices:
      - present
      - absent
    default: present
  id:
    description:
      - The id of an existing environment. It takes precedence over O(name).
    type: str
  name:
    description:
      - The name of the environment, 1 to 255 characters, without blanks at either end. An existing environment is also found by its slug.
      - A name that differs from that of an existing environment only in case is refused.
      - The name can't be changed. With O(id), it has to be the environment's name or slug.
    type: str
  description:
    description:
      - What the environment is for, up to 255 characters. An empty text removes the description.
      - If omitted, an existing environment keeps its description.
    type: str
  color:
    description:
      - The color of the environment in Honeycomb's web UI. If omitted, an existing environment keeps its color, and Honeycomb chooses one
        for a new environment.
      - The color C(classic) of old environments can neither be set nor changed.
    type: str
    choices:
      - blue
      - green
      - gold
      - red
      - purple
      - lightBlue
      - lightGreen
      - lightGold
      - lightRed
      - lightPurple
  delete_protected:
    description:
      - Whether the environment is protected from deletion. If omitted, an existing environment stays as it is.
      - Honeycomb protects every new environment. With V(false), the protection is removed right after the creation.
    type: bool
  unprotect:
    description:
      - Whether O(state=absent) may delete a protected environment, by removing the protection first.
    type: bool
    default: false
  delete_keys:
    description:
      - Whether O(state=absent) may delete an environment that contains keys, enabled or disabled. Applications that use them lose access.
    type: bool
    default: false
seealso:
  - module: community.honeycomb.honeycomb_environment_info
  - module: community.honeycomb.honeycomb_api_key
"""

EXAMPLES = r"""
- name: An environment for tests
  community.honeycomb.honeycomb_environment:
    name: Load Tests
    description: Emptied every quarter
    color: lightGold
  register: load_tests

- name: Change its description; omitted attributes keep their values
  community.honeycomb.honeycomb_environment:
    id: "{{ load_tests.environment.id }}"
    description: Emptied every month

- name: Find out which keys would be deleted with an environment
  community.honeycomb.honeycomb_environment:
    name: load-tests
    state: absent
    unprotect: true
    delete_keys: true
  check_mode: true
  register: preview

- name: Show them
  ansible.builtin.debug:
    msg: "{{ preview.api_keys | map(attribute='name') }}"

- name: Delete it with all its keys and data
  community.honeycomb.honeycomb_environment:
    name: load-tests
    state: absent
    unprotect: true
    delete_keys: true
"""

RETURN = r"""
environment:
  description:
    - The environment as it is after the task, or would be (in check mode).
    - Empty when it does not exist.
    - If the task failed after its first change, the environment as it is now.
  returned: success, and on failure when something was changed
  type: dict
  contains:
    id:
      description: The environment's id. C(null) for one that check mode would create.
      type: str
      sample: hcxen_01hznmeqrcq8rz533xrvtc6mk0
    name:
      description: Its name.
      type: str
      sample: Load Tests
    slug:
      description: Its slug. C(null) for one that check mode would create.
      type: str
      sample: load-tests
    description:
      description: Its description.
      type: str
      sample: Emptied every quarter
    color:
      description: Its color. C(null) for one that check mode would create without a color.
      type: str
      sample: lightGold
    delete_protected:
      description: Whether it is protected from deletion.
      type: bool
      sample: true
api_keys:
  description:
    - The keys that were deleted with the environment, would be deleted (in check mode), or prevented the deletion. Oldest first.
    - Never contains a secret.
  returned: with O(state=absent), even if it is refused
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

from ansible_collections.community.honeycomb.plugins.module_utils._api.resources import COLORS
from ansible_collections.community.honeycomb.plugins.module_utils._module.base import HoneycombModule
from ansible_collections.community.honeycomb.plugins.module_utils._module.environment import run_environment


def main() -> None:
    spec = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "id": {"type": "str"},
        "name": {"type": "str"},
        "description": {"type": "str"},
        "color": {"type": "str", "choices": list(COLORS)},
        "delete_protected": {"type": "bool"},
        "unprotect": {"type": "bool", "default": False},
        "delete_keys": {"type": "bool", "default": False},
    }
    HoneycombModule(spec, required_one_of=[("id", "name")]).run(run_environment)


if __name__ == "__main__":
    main()
