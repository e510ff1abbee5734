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
  - Honeycomb shows the secret of a key once, in the answer to its creation. Name an O(store), and the value is kept there before the key
    goes live under its name, whatever happens to the task. A task that dies is continued by the next one, with the same key.
  - Without O(store), the task that creates a key returns its value; no later task can. Set C(no_log) on such a task; the examples set it to
    C(not ansible_check_mode), since check mode returns no secret and its preview may be shown. Use O(state=pending) if the value must not
    get lost.
  - If the answer to a creation is lost, the module finds and removes the key that the lost request may have created before it tries
    again, so one task never leaves two keys.
extends_documentation_fragment:
  - community.honeycomb.auth
  - community.honeycomb.attributes
  - community.honeycomb.marks
  - community.honeycomb.store
  - community.honeycomb.store.values
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
      - With V(present), the key exists and is enabled.
      - With V(disabled), the key exists and is disabled. If it does not exist, it is created disabled, so that you can distribute it
        ahead of time. With an O(id) that does not exist, the task fails. With O(store), its value waits in the pending slot.
      - With V(pending), a key that does not exist is created as C(NAME [pending]), enabled, and its value is returned. Store the value, then
        confirm the key with its O(id), its O(name) and O(state=present), which gives it its name. If you don't, the next task with V(pending)
        creates another key, and the confirmation of that one disables this one. A key that exists is left as it is.
      - With V(absent), the key does not exist. Deletion is immediate and final.
    type: str
    choices:
      - present
      - disabled
      - pending
      - absent
    default: present
  id:
    description:
      - The id of an existing key. It takes precedence over O(name).
    type: str
  name:
    description:
      - The name of the key, 1 to 100 characters, without blanks at either end. Without O(id), the module finds the key by its name,
        O(key_type) and O(environment).
      - If more than one key matches, the task fails and lists their ids.
      - With O(id), a different name renames the key. With O(state=absent), it has to be the key's name.
    type: str
  key_type:
    description:
      - The type of the key. V(ingest) keys send telemetry. V(configuration) keys can also manage what O(permissions) allows.
      - Required without O(id). It can't be changed later.
    type: str
    choices:
      - ingest
      - configuration
  environment:
    description:
      - The id, slug or name of the environment. A slug or name requires a management key with the scope C(environments:read).
      - Required without O(id). It can't be changed later.
    type: str
  permissions:
    description:
      - What the key may do. If omitted, an existing key keeps its permissions and a new one gets none.
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
          - Create, change and delete private boards. Can't be combined with O(permissions.visible_team_members).
        type: bool
        aliases:
          - manage_private_boards
      read_service_maps:
        description: Read service maps.
        type: bool
      visible_team_members:
        description: Let every member of the team see the key in Honeycomb's web UI.
        type: bool
  purge_permissions:
    description:
      - Whether to remove permissions that O(permissions) does not list. Has no effect without O(permissions).
    type: bool
    default: true
  time_to_live:
    description:
      - The time at which an ingest key expires, in RFC 3339 format. It is set at creation and can't be changed later.
      - For an existing key, a different time is an error. It is ignored if Honeycomb does not report the key's time.
    type: str
seealso:
  - module: community.honeycomb.honeycomb_api_key_info
  - module: community.honeycomb.honeycomb_auth_info
"""

EXAMPLES = r"""
- name: An ingest key for the checkout service, whose value goes into a file
  community.honeycomb.honeycomb_api_key:
    name: checkout
    key_type: ingest
    environment: production
    permissions:
      create_datasets: true
    store:
      type: file
      path: "{{ key_directory }}/{environment}/{name}.key"

- name: The same, but store the value yourself. First create the key
  community.honeycomb.honeycomb_api_key:
    name: billing
    key_type: ingest
    environment: production
    permissions:
      create_datasets: true
    state: pending
  register: billing_key
  no_log: "{{ not ansible_check_mode }}"

- name: Store the value
  ansible.builtin.copy:
    content: "{{ billing_key.key }}"
    dest: "{{ key_directory }}/billing.key"
    mode: "0600"
  when: billing_key.key is defined
  no_log: true

- name: Confirm that it is stored, so that the key gets its name
  community.honeycomb.honeycomb_api_key:
    id: "{{ billing_key.api_key.id }}"
    name: billing
  when: billing_key.key is defined

- name: A configuration key that may set markers and run queries, and nothing else
  community.honeycomb.honeycomb_api_key:
    name: deployments
    key_type: configuration
    environment: production
    permissions:
      manage_markers: true
      run_queries: true
  no_log: "{{ not ansible_check_mode }}"

- name: A key for later, created disabled
  community.honeycomb.honeycomb_api_key:
    name: next-quarter
    key_type: ingest
    environment: staging
    state: disabled
  register: later_key
  no_log: "{{ not ansible_check_mode }}"

- name: Rename a key
  community.honeycomb.honeycomb_api_key:
    id: "{{ later_key.api_key.id }}"
    name: checkout-frontend
    state: disabled

- name: Disable a key
  community.honeycomb.honeycomb_api_key:
    name: checkout-frontend
    key_type: ingest
    environment: staging
    state: disabled

- name: Delete a key for good
  community.honeycomb.honeycomb_api_key:
    id: "{{ later_key.api_key.id }}"
    state: absent
"""

RETURN = r"""
api_key:
  description:
    - The key as it is after the task, or would be (in check mode). Never contains a secret.
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
      description: All permissions that this type of key can have, each true or false.
      type: dict
      sample: {"create_datasets": true}
    created_at:
      description: When the key was created. C(null) for a key that check mode would create.
      type: str
      sample: "2026-02-11T08:15:00Z"
    updated_at:
      description: When the key was last changed. C(null) for a key that check mode would create.
      type: str
      sample: "2026-02-11T08:15:00Z"
key:
  description:
    - The value that an application uses. For an ingest key, it is the id followed by the secret; for a configuration key, the secret.
    - A secret.
  returned: when the task created the key, and O(store) is not given or O(return_values=true)
  type: str
secret:
  description:
    - The raw secret of the key, as Honeycomb's API returns it.
    - A secret.
  returned: when the task created the key, and O(store) is not given or O(return_values=true)
  type: str
stored:
  description: Where the value of the key is.
  returned: when O(store) is given and holds it, or will hold it (in check mode)
  type: dict
  contains:
    type:
      description: The type of the store.
      type: str
      sample: file
    place:
      description: The place within the store.
      type: str
      sample: /etc/honeycomb/keys/checkout.key
    slot:
      description: V(live), or V(pending) for the value of a disabled key, which waits there until the key is enabled.
      type: str
      sample: live
    version:
      description: The store's version of the value, where it has versions.
      type: str
      sample: "3"
    fingerprint:
      description: The beginning of the value's SHA-256, to compare values without showing them. C(null) for a value that check mode would
        create.
      type: str
      sample: 5f2b5f3f6d1c
created:
  description:
    - What the task created before it failed. Each entry has C(name), C(id), C(key) and C(secret).
    - Contains secrets.
  returned: on failure, when a key was created
  type: list
  elements: dict
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

from ansible_collections.community.honeycomb.plugins.module_utils._module.api_key import run_api_key
from ansible_collections.community.honeycomb.plugins.module_utils._module.base import HoneycombModule
from ansible_collections.community.honeycomb.plugins.module_utils._module.options import key_spec
from ansible_collections.community.honeycomb.plugins.module_utils._module.stores import value_spec


def main() -> None:
    HoneycombModule({**key_spec(), **value_spec()}, required_one_of=[("id", "name")]).run(run_api_key)


if __name__ == "__main__":
    main()
