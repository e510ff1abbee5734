#!/usr/bin/python

# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: honeycomb_api_key
short_description: Manage one Honeycomb API key
version_added: 0.1.0
author:
  - Contributors to the community.honeycomb collection (@ansible-collections)
description:
  - Creates, changes, enables, disables or deletes an ingest or configuration key of a Honeycomb environment.
  - Honeycomb shows the secret of a key once, in the answer that creates it. The task that creates a key returns it; no later task can.
    Store it right away, and set C(no_log=true) on the task.
  - When the answer to a creation is lost on its way, the key it may have made is looked up and removed before another try, so that one
    task never leaves two keys.
extends_documentation_fragment:
  - community.honeycomb.auth
  - community.honeycomb.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description:
      - With V(present) the key exists and is enabled.
      - With V(disabled) the key exists and is disabled. It is created disabled if it does not exist, so that it can be handed out
        ahead of time; with an O(id) that does not exist, the task fails.
      - With V(absent) the key does not exist. Deleting is immediate and final.
    type: str
    choices:
      - present
      - disabled
      - absent
    default: present
  id:
    description:
      - The id of an existing key. It wins over O(name).
    type: str
  name:
    description:
      - The name of the key, 1 to 100 characters. Without O(id) the key is found by its name within O(key_type) and O(environment).
      - When more than one key has this name there, the task fails and lists their ids.
      - With O(id), a different name renames the key; with O(state=absent) it has to be the key's name.
    type: str
  key_type:
    description:
      - The type of the key. V(ingest) keys send telemetry; V(configuration) keys can also manage what O(permissions) allow.
      - Needed without O(id). It can't be changed later.
    type: str
    choices:
      - ingest
      - configuration
  environment:
    description:
      - The id, slug or name of the environment. The slug or name needs a management key with the scope C(environments:read).
      - Needed without O(id). It can't be changed later.
    type: str
  permissions:
    description:
      - What the key may do. Without this option, an existing key keeps its permissions and a new one gets none.
      - Only O(permissions.create_datasets) applies to ingest keys, and only when they are created.
    type: dict
    suboptions:
      create_datasets:
        description: Create datasets by sending to names that do not exist yet.
        type: bool
      send_events:
        description: Send events.
        type: bool
      manage_markers:
        description: Create, change and delete markers.
        type: bool
      manage_triggers:
        description: Create, change and delete triggers.
        type: bool
      manage_boards:
        description: Create, change and delete public boards.
        type: bool
      run_queries:
        description: Run queries.
        type: bool
      manage_columns:
        description: Create, change and delete columns and derived columns.
        type: bool
      manage_slos:
        description: Create, change and delete service level objectives.
        type: bool
      manage_recipients:
        description: Create, change and delete recipients.
        type: bool
      manage_signals:
        description: Create, change and delete signals.
        type: bool
      manage_privateBoards:
        description:
          - Create, change and delete private boards. Not together with O(permissions.visible_team_members).
        type: bool
        aliases:
          - manage_private_boards
      read_service_maps:
        description: Read service maps.
        type: bool
      visible_team_members:
        description: Let every member of the team see the key in Honeycomb's pages.
        type: bool
  purge_permissions:
    description:
      - Whether permissions that O(permissions) does not list are taken away. Has no effect without O(permissions).
    type: bool
    default: true
  time_to_live:
    description:
      - The time at which an ingest key expires, in RFC 3339 form. Set at creation, and not changeable later.
      - For an existing key it is compared where Honeycomb tells it, and left alone where it does not.
    type: str
seealso:
  - module: community.honeycomb.honeycomb_api_key_info
  - module: community.honeycomb.honeycomb_auth_info
"""

EXAMPLES = r"""
- name: An ingest key for the checkout service
  community.honeycomb.honeycomb_api_key:
    name: checkout
    key_type: ingest
    environment: production
    permissions:
      create_datasets: true
  register: checkout_key
  no_log: true

- name: Store its value, which is returned only now
  ansible.builtin.copy:
    content: "{{ checkout_key.key }}"
    dest: "{{ key_directory }}/checkout.key"
    mode: "0600"
  when: checkout_key.key is defined
  no_log: true

- name: A configuration key that may set markers and run queries, and nothing else
  community.honeycomb.honeycomb_api_key:
    name: deployments
    key_type: configuration
    environment: production
    permissions:
      manage_markers: true
      run_queries: true
  no_log: true

- name: A key for later, created disabled
  community.honeycomb.honeycomb_api_key:
    name: next-quarter
    key_type: ingest
    environment: staging
    state: disabled
  no_log: true

- name: Rename a key
  community.honeycomb.honeycomb_api_key:
    id: "{{ checkout_key.api_key.id }}"
    name: checkout-frontend

- name: Disable a key
  community.honeycomb.honeycomb_api_key:
    name: checkout-frontend
    key_type: ingest
    environment: production
    state: disabled

- name: Delete a key for good
  community.honeycomb.honeycomb_api_key:
    id: "{{ checkout_key.api_key.id }}"
    state: absent
"""

RETURN = r"""
api_key:
  description:
    - The key as it is after the task, or would be (in check mode). Never holds a secret.
    - Empty when the key does not exist.
  returned: success
  type: dict
  contains:
    id:
      description: The key's id. C(null) for a key that check mode would create.
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
      description: Every permission that this type of key can have, each true or false.
      type: dict
      sample: {"create_datasets": true}
    created_at:
      description: When the key was created. C(null) for a key that check mode would create.
      type: str
      sample: "2026-02-11T08:15:00Z"
    updated_at:
      description: When the key was changed last. C(null) for a key that check mode would create.
      type: str
      sample: "2026-02-11T08:15:00Z"
key:
  description:
    - The value that an application uses. For an ingest key this is its id and its secret, for a configuration key the secret alone.
    - A secret.
  returned: when the task created the key
  type: str
secret:
  description:
    - The raw secret of the key, as Honeycomb's API shows it.
    - A secret.
  returned: when the task created the key
  type: str
created:
  description:
    - What the task created before it failed. Each entry has C(name), C(id), C(key) and C(secret).
    - Holds secrets.
  returned: on failure, when a key was created
  type: list
  elements: dict
error:
  description: What the service said.
  returned: on failure, when the service answered with an error
  type: dict
  contains:
    status:
      description: The HTTP status.
      type: int
      sample: 403
    code:
      description: The service's code for the error.
      type: str
    title:
      description: The service's short text.
      type: str
    detail:
      description: The service's longer text.
      type: str
    pointer:
      description: The attribute, parameter or header that the error is about.
      type: str
"""

from ansible_collections.community.honeycomb.plugins.module_utils._module.api_key import run_api_key
from ansible_collections.community.honeycomb.plugins.module_utils._module.base import HoneycombModule
from ansible_collections.community.honeycomb.plugins.module_utils._module.options import key_spec


def main() -> None:
    HoneycombModule(key_spec(), required_one_of=[("id", "name")]).run(run_api_key)


if __name__ == "__main__":
    main()
