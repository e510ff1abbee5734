#!/usr/bin/python

# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: honeycomb_api_keys
short_description: Manage many Honeycomb API keys in one task
version_added: 0.1.0
author:
  - Contributors to the community.honeycomb collection (@ansible-collections)
description:
  - Creates, changes and deletes ingest and configuration keys until they match a list, with one listing of the team's
    keys and one write for each key that differs. The writes run in parallel, paced to stay within the rate limit.
  - Honeycomb shows the secret of a key once, in the answer to its creation. Name an O(store), and each value is kept
    there before its key goes live under its name, whatever happens to the task. A task that dies is continued by the
    next one, with the same keys.
  - Without O(store), the task that creates keys returns their values in RV(created); no later task can. Set C(no_log)
    on such a task; the examples set it to C(not ansible_check_mode), since check mode returns no secret and its preview
    may be shown. Use O(api_keys[].state=pending) if the values must not get lost.
  - Items that are invalid or contradict each other are refused, by their index, before anything is written.
  - If the answer to a creation is lost, the module finds and removes the key that the lost request may have created
    before it tries again, so one task never leaves two keys.
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
  api_keys:
    description:
      - The keys. Each item takes the same options as M(community.honeycomb.honeycomb_api_key).
      - Two items must not refer to the same key, or result in the same name in one environment and type.
    type: list
    elements: dict
    required: true
    suboptions:
      state:
        description:
          - With V(present), the key exists and is enabled.
          - With V(disabled), the key exists and is disabled. If it does not exist, it is created disabled, so that you
            can distribute it ahead of time. With an O(api_keys[].id) that does not exist, the item is refused. With
            O(store), its value waits in the pending slot.
          - With V(pending), a key that does not exist is created as C(NAME [pending]), enabled, and its value is returned.
            Store the value, then confirm the key with its O(api_keys[].id), its O(api_keys[].name) and
            O(api_keys[].state=present), which gives it its name. If you don't, the next task with V(pending) creates another key,
            and the confirmation of that one disables this one. A key that exists is left as it is.
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
          - The id of an existing key. It takes precedence over O(api_keys[].name).
        type: str
      name:
        description:
          - The name of the key, 1 to 100 characters, without blanks at either end. Without O(api_keys[].id), the module
            finds the key by its name, type and environment.
          - If more than one key matches, the item is refused and the ids are listed.
          - With O(api_keys[].id), a different name renames the key. With O(api_keys[].state=absent), it has to be the
            key's name.
        type: str
      key_type:
        description:
          - The type of the key. Required without O(api_keys[].id), here or as O(key_type). It can't be changed later.
        type: str
        choices:
          - ingest
          - configuration
      environment:
        description:
          - The id, slug or name of the environment. Required without O(api_keys[].id), here or as O(environment). It
            can't be changed later.
        type: str
      permissions:
        description:
          - What the key may do. Replaces O(permissions) as a whole. If both are omitted, an existing key keeps its
            permissions and a new one gets none.
          - Only C(create_datasets) applies to ingest keys, and only when they are created.
        type: dict
        suboptions: &permissions
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
              - Create, change and delete private boards. Can't be combined with C(visible_team_members).
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
          - Whether to remove permissions that are not listed. Has no effect if no permissions are given.
        type: bool
        default: true
      time_to_live:
        description:
          - The time at which an ingest key expires, in RFC 3339 format. It is set at creation and can't be changed later.
          - For an existing key, a different time is an error. It is ignored if Honeycomb does not report the key's time.
        type: str
      store:
        description:
          - What differs from O(store) for this key. With another C(type), it stands by itself.
          - It can't hold secrets, since Ansible would not hide them here. Give these in O(store), or in their environment
            variables.
        type: dict
      on_missing:
        description: Instead of O(on_missing).
        type: str
        choices:
          - fail
          - ignore
          - replace
  environment:
    description:
      - The id, slug or name of the environment. It applies to items that do not set their own, and to O(purge). A slug
        or name requires a management key with the scope C(environments:read).
    type: str
  key_type:
    description:
      - The type of the keys. It applies to items that do not set their own, and to O(purge).
    type: str
    choices:
      - ingest
      - configuration
  permissions:
    description:
      - The permissions of items that do not set their own.
    type: dict
    suboptions: *permissions
  purge:
    description:
      - What to do with keys of O(environment) and O(key_type) that O(api_keys) does not list. Both options are required
        then. V(disable) disables these keys, V(delete) deletes them for good.
      - A purge never changes keys of other environments or of the other type, nor the generations of a rotated key
        whose name is listed; O(marks) tells by which words they are recognized.
      - The purge comes last, and only if all items are as declared.
    type: str
    choices:
      - none
      - disable
      - delete
    default: none
  purge_prefix:
    description:
      - Purge only keys whose names start with this. It must not be empty, and requires O(purge).
    type: str
  purge_all:
    description:
      - Allow a purge although O(api_keys) lists no key to keep. Otherwise such a purge is refused, since an empty list
        is usually a mistake, and would affect every key that O(environment), O(key_type) and O(purge_prefix) select.
    type: bool
    default: false
  concurrency:
    description:
      - How many requests may be in progress at once, from 1 to 16, each on a connection that is reused.
    type: int
    default: 8
seealso:
  - module: community.honeycomb.honeycomb_api_key
  - module: community.honeycomb.honeycomb_api_key_info
"""

EXAMPLES = r"""
- name: A key for each service, and each value in a file of its own
  community.honeycomb.honeycomb_api_keys:
    environment: production
    key_type: ingest
    permissions:
      create_datasets: true
    store:
      type: file
      path: "{{ key_directory }}/{environment}/{name}.key"
    api_keys:
      - name: checkout
      - name: payment
      - name: search
        permissions: {}
        store:
          path: "{{ key_directory }}/search/honeycomb.key"

- name: The same, but store the values yourself. First create the keys
  community.honeycomb.honeycomb_api_keys:
    environment: production
    key_type: ingest
    api_keys:
      - name: billing
        state: pending
      - name: shipping
        state: pending
  register: new_keys
  no_log: "{{ not ansible_check_mode }}"

- name: Store the values
  ansible.builtin.copy:
    content: "{{ item.key }}"
    dest: "{{ key_directory }}/{{ item.id }}.key"
    mode: "0600"
  loop: "{{ new_keys.created }}"
  no_log: true

- name: Confirm that they are stored, so that the keys get their names
  community.honeycomb.honeycomb_api_keys:
    api_keys:
      - id: "{{ new_keys.api_keys[0].id }}"
        name: billing
      - id: "{{ new_keys.api_keys[1].id }}"
        name: shipping
  when: new_keys.created | length > 0

- name: Keys of both types in two environments
  community.honeycomb.honeycomb_api_keys:
    environment: production
    api_keys:
      - name: deployments
        key_type: configuration
        permissions:
          manage_markers: true
      - name: checkout
        key_type: ingest
        environment: staging
      - name: legacy
        key_type: ingest
        state: absent
    store:
      type: file
      path: "{{ key_directory }}/{environment}/{key_type}/{name}.key"

- name: Disable keys with this prefix that are not listed
  community.honeycomb.honeycomb_api_keys:
    environment: staging
    key_type: ingest
    purge: disable
    purge_prefix: svc-
    api_keys:
      - name: svc-checkout
      - name: svc-payment
    store:
      type: file
      path: "{{ key_directory }}/{environment}/{name}.key"
"""

RETURN = r"""
api_keys:
  description:
    - The keys as they are after the task, or would be (in check mode), in the order of O(api_keys). Never contains a
      secret.
    - Other keys that the task changed follow, such as purged and replaced ones, and leftovers of tasks that died.
    - A deleted key is described as it was before. For a key that did not exist, only the values of the item are set; the
      rest is C(null).
  returned: success, and on failure when something may have been written
  type: list
  elements: dict
  contains:
    action:
      description: V(none), V(create), V(update), V(enable), V(disable), V(delete), V(store) where only the value was missing, V(replace), or V(failed).
      type: str
      sample: create
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
    stored:
      description: Where the value of the key is.
      returned: when a store is given and holds it, or will hold it (in check mode)
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
    - The keys that the task created, with their values, except for those whose values are stored, unless O(return_values=true).
    - Contains secrets.
  returned: success, and on failure when something may have been written
  type: list
  elements: dict
  contains:
    name:
      description: The key's name.
      type: str
      sample: checkout
    id:
      description: The key's id.
      type: str
      sample: hcxik_01hqk4k20cjeh63wca8vva5stw
    key:
      description:
        - The value that an application uses. For an ingest key, it is the id followed by the secret; for a
          configuration key, the secret.
      type: str
    secret:
      description: The raw secret of the key, as Honeycomb's API returns it.
      type: str
expected_wait:
  description:
    - Seconds for which Honeycomb's rate limit was expected to hold the task before its first change, or would hold it (in check mode). Other
      programs of the team may make it longer.
  returned: success, and on failure when something may have been written
  type: int
  sample: 0
failed_items:
  description: The items that failed, and why.
  returned: on failure, when items failed
  type: list
  elements: dict
  contains:
    index:
      description: The position in O(api_keys), from 0. C(null) for a key to be purged.
      type: int
      sample: 3
    name:
      description: The key's name.
      type: str
      sample: checkout
    id:
      description: The key's id, if it has one.
      type: str
      sample: hcxik_01hqk4k20cjeh63wca8vva5stw
    msg:
      description: What happened, and what to do next.
      type: str
error:
  description: The error that Honeycomb returned for the first item that failed.
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

from ansible_collections.community.honeycomb.plugins.module_utils._module.api_keys import run_api_keys
from ansible_collections.community.honeycomb.plugins.module_utils._module.base import HoneycombModule
from ansible_collections.community.honeycomb.plugins.module_utils._module.options import key_spec
from ansible_collections.community.honeycomb.plugins.module_utils._module.stores import own_store_spec, value_spec


def main() -> None:
    values = value_spec()
    item = {**key_spec(), "store": own_store_spec(), "on_missing": {**values["on_missing"], "default": None}}
    spec = {
        "api_keys": {"type": "list", "elements": "dict", "options": item, "required": True, "no_log": False},
        **{option: item[option] for option in ("environment", "key_type", "permissions")},
        "purge": {"type": "str", "choices": ["none", "disable", "delete"], "default": "none"},
        "purge_prefix": {"type": "str"},
        "purge_all": {"type": "bool", "default": False},
        **values,
        "concurrency": {"type": "int", "default": 8},
    }
    needs = [("purge", action, ["environment", "key_type"]) for action in ("disable", "delete")]
    HoneycombModule(spec, required_if=needs).run(run_api_keys)


if __name__ == "__main__":
    main()
