# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup stored_key, with the dictionary that a module has stored values with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from simulator import Simulator

# Each case fails or succeeds by itself; what they gave is written where the test looks.
PLAYBOOK = """---
- name: Read values
  hosts: localhost
  gather_facts: false
  vars:
    store:
      type: file
      format: json
      path: "{{ folder }}/{environment}.json"
      entry: keys.{name}
    plugin: community.honeycomb.stored_key
  tasks:
    - name: Create two keys
      community.honeycomb.honeycomb_api_keys:
        environment: production
        key_type: ingest
        store: "{{ store }}"
        api_keys:
          - name: one
          - name: two
            state: disabled

    - name: Read them
      ansible.builtin.copy:
        content: "{{ found | to_json }}"
        dest: "{{ folder }}/found.json"
        mode: "0600"
      vars:
        found:
          live: "{{ lookup(plugin, 'one', environment='production', store=store) }}"
          pending: "{{ lookup(plugin, 'two', environment='production', store=store, slot='pending') }}"
          both: "{{ query(plugin, 'one', 'one', environment='production', store=store) }}"
      no_log: true

    - name: What can't be read says why
      ansible.builtin.debug:
        msg: "{{ lookup(plugin, item.name, store=item.store | default(store), **item.more) }}"
      loop: "{{ wrong }}"
      loop_control:
        label: "{{ item.name }}"
      ignore_errors: true
"""
WRONG: list[dict[str, Any]] = [
    {"name": "nobody", "more": {"environment": "production"}},
    {"name": "two", "more": {"environment": "production"}},
    {"name": "one", "more": {}},
    {"name": "one", "more": {"environment": "production"}, "store": {"type": "drawer"}},
    {"name": "one", "more": {"environment": "production"}, "store": {"type": "file", "path": "/x", "mount": "y"}},
    {"name": "../one", "more": {"environment": "production"}},
]
TOLD = [
    "holds no live value of key 'nobody'",
    "holds no live value of key 'two'",
    "environment is missing: the place in store has {environment} in it",
    "there is no store 'drawer'. There are: file, ",
    "store.mount: a store of type file has no such option",
    "the name '../one' can't be part of a place",
]


def test_the_lookup_reads_what_a_module_has_stored(
    sim: Simulator, run_playbook: Callable[..., Any], tmp_path: Path
) -> None:
    result = run_playbook(PLAYBOOK, extra_vars={"folder": str(tmp_path), "wrong": WRONG})
    values = {key.name: key.value for key in sim.keys()}
    found = json.loads((tmp_path / "found.json").read_text())
    assert found == {"live": values["one"], "pending": values["two"], "both": [values["one"]] * 2}
    results = result.task("What can't be read says why")["result"]["results"]
    assert [bool(entry.get("failed")) for entry in results] == [True] * len(WRONG)
    for entry, told in zip(results, TOLD, strict=True):
        assert told in " ".join(str(entry["msg"]).split()), entry["msg"]
