# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup ``stored_key``: the value of a key, from the store dictionary that the modules take."""

from __future__ import annotations

DOCUMENTATION = r"""
name: stored_key
short_description: Read the value of a Honeycomb API key from its store
version_added: 0.1.0
author:
  - Contributors to the community.honeycomb collection (@ansible-collections)
description:
  - Reads what M(community.honeycomb.honeycomb_api_key), M(community.honeycomb.honeycomb_api_keys) or the roles have stored, with the same
    dictionary, so that a template or a first deployment needs no second configuration of the store.
  - It runs on the controller, so a V(file) store is read there. Honeycomb is not asked.
  - The value is a secret. Set C(no_log) on tasks that use it.
options:
  _terms:
    description: The names of keys.
    type: list
    elements: str
    required: true
  store:
    description:
      - The store, as O(community.honeycomb.honeycomb_api_key#module:store). For the V({name}), V({environment}) and V({key_type}) in it, the
        term and the two options below are filled in.
    type: dict
    required: true
  environment:
    description: The slug of the environment. Needed where the place has V({environment}) in it.
    type: str
  key_type:
    description: The type of the key.
    type: str
    choices:
      - ingest
      - configuration
    default: ingest
  slot:
    description:
      - V(live) is the value that is in use, V(previous) the one before it, and V(pending) one that is being rolled out.
    type: str
    choices:
      - live
      - pending
      - previous
    default: live
  timeout:
    description: Seconds that one request to the store may take.
    type: float
    default: 10
"""

EXAMPLES = r"""
- name: Write the configuration of a service
  ansible.builtin.copy:
    content: |
      HONEYCOMB_API_KEY={{ lookup('community.honeycomb.stored_key', 'checkout', environment='production', store=honeycomb_store) }}
    dest: "{{ key_directory }}/checkout.env"
    mode: "0600"
  vars:
    honeycomb_store:
      type: file
      path: "{{ key_directory }}/{environment}/{name}.key"
  no_log: true

- name: Check that Honeycomb accepts what the store holds
  community.honeycomb.honeycomb_auth_info:
    key: "{{ lookup('community.honeycomb.stored_key', 'checkout', environment='production', store=honeycomb_store) }}"
  vars:
    honeycomb_store:
      type: file
      path: "{{ key_directory }}/{environment}/{name}.key"
"""

RETURN = r"""
_raw:
  description: The values, in the order of the terms. Contains secrets.
  type: list
  elements: str
"""

import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.community.honeycomb.plugins.module_utils._errors import HoneycombError
from ansible_collections.community.honeycomb.plugins.module_utils._stores.reading import read_values

try:
    # ansible-core 2.22 and newer mask what is registered.
    from ansible.module_utils.secrets import register_secret
except ImportError:

    def register_secret(value: str) -> str:
        return value


class LookupModule(LookupBase):  # type: ignore[misc]
    def run(self, terms: list[str], variables: t.Any = None, **kwargs: t.Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        options = {name: self.get_option(name) for name in ("store", "environment", "key_type", "slot", "timeout")}
        try:
            values = read_values([str(term) for term in terms], **options)
        except HoneycombError as exc:
            raise AnsibleLookupError(f"stored_key: {exc.message}") from None
        for value in values:
            register_secret(value)
        return values
