#!/usr/bin/python

# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: honeycomb_api_key_rotation
short_description: Take one phase of the rotation of Honeycomb API keys
version_added: 0.1.0
author:
  - Contributors to the community.honeycomb collection (@ansible-collections)
description:
  - The role P(community.honeycomb.api_key_rotation#role) chains the phases, with the deployment of the new values in between. Use this
    module on its own to look at rotations (O(phase=status)), or to build another chain.
  - All state is in Honeycomb itself. A key C(NAME) that is being replaced becomes C(NAME [retired TIME]), its successor is
    C(NAME [pending]) until it is deployed. Each phase decides from what it finds, so that a run that died is finished by the next one.
extends_documentation_fragment:
  - community.honeycomb.auth
  - community.honeycomb.attributes
attributes:
  check_mode:
    support: full
    details:
      - In check mode O(phase=stage) shows everything that a rotation would do next; the phases that follow have nothing to work on.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - All phases, except that O(phase=stage) creates another key when a key is due again. With C(max_age=0s) or C(force) it always is.
options:
  phase:
    description:
      - With V(status), show what there is and what comes next. Writes nothing.
      - With V(stage), disable what was replaced and whose overlap is over, delete what has been disabled for the grace period, mark what an
        unfinished run left behind as stale and disable it, and create a disabled, pending key for each key that is due. The result
        holds its value.
      - With V(activate), enable the pending keys of O(staged), and wait until Honeycomb accepts each value as the key that it should be.
      - With V(promote), make the pending keys of O(staged), which are on every consumer by now, the current ones.
      - With V(restore), enable the newest retired generation of each key at once. It is left alone from then on. Stale generations are not
        restored, since they never were the current key.
      - With V(retire), release restored generations, so that their overlap begins.
    type: str
    choices:
      - status
      - stage
      - activate
      - promote
      - restore
      - retire
    required: true
  rotations:
    description:
      - The keys to rotate. Needed for all phases but V(activate) and V(promote).
    type: list
    elements: dict
    suboptions:
      name:
        description: The name of the key, with room for the marks.
        type: str
        required: true
      key_type:
        description: Instead of O(key_type).
        type: str
        choices:
          - ingest
          - configuration
      environment:
        description: Instead of O(environment).
        type: str
      max_age:
        description: Instead of O(max_age).
        type: str
      overlap:
        description: Instead of O(overlap).
        type: str
      grace:
        description: Instead of O(grace).
        type: str
      lock_time:
        description: Instead of O(lock_time).
        type: str
      force:
        description: Instead of O(force).
        type: bool
  key_type:
    description: The type of each key that does not have its own.
    type: str
    choices:
      - ingest
      - configuration
  environment:
    description: The id, slug or name of the environment of each key that does not have its own.
    type: str
  max_age:
    description: A key is due when it is this old. V(0s) is always.
    type: str
    default: 90d
  overlap:
    description: How long a replaced key stays enabled.
    type: str
    default: 0s
  grace:
    description: How long a disabled key is kept before it is deleted.
    type: str
    default: 48h
  lock_time:
    description: How long a pending key counts as the work of another run that is still going on.
    type: str
    default: 1h
  force:
    description: Replace keys whatever their age.
    type: bool
    default: false
  staged:
    description:
      - What O(phase=stage) returned as RV(staged), for V(activate) and V(promote).
    type: list
    elements: dict
    suboptions:
      position:
        description: Which of O(rotations) it is, counted from 0.
        type: int
      name:
        description: The name of the key.
        type: str
        required: true
      key_type:
        description: The type of the key.
        type: str
        required: true
      environment:
        description: The id of the environment.
        type: str
        required: true
      environment_slug:
        description: The slug of the environment, if it is known.
        type: str
      overlap:
        description: How long the replaced key stays enabled.
        type: str
        default: 0s
      old_id:
        description: The id of the key that is replaced.
        type: str
      stale_ids:
        description: The ids of keys that unfinished runs left enabled.
        type: list
        elements: str
      new_id:
        description: The id of the pending key.
        type: str
        required: true
      key:
        description: The value of the pending key. Needed by V(activate).
        type: str
  old_keys:
    description:
      - For O(phase=promote), the values of the keys that are replaced, in the order of O(rotations), each empty if it is not known. Where
        there is no overlap, the task waits until Honeycomb refuses them.
    type: list
    elements: str
  id:
    description:
      - For O(phase=restore), the id of the generation to restore instead of the newest one. A stale generation is refused.
    type: str
  verify_time:
    description: How long V(activate) waits for a new value to be accepted, and V(promote) for an old one to be refused.
    type: str
    default: 60s
  marks:
    description:
      - The words that mark generations in the names of keys. Change them only while no rotation is under way and no retired generation is
        left, since generations with other marks are not recognized.
    type: dict
    suboptions:
      pending:
        description: Marks a key that is being rolled out.
        type: str
        default: pending
      retired:
        description: Marks a key that was replaced.
        type: str
        default: retired
      restored:
        description: Marks a key that was brought back.
        type: str
        default: restored
      stale:
        description: Marks a key that an unfinished run left behind, and that never was the current one.
        type: str
        default: stale
seealso:
  - module: community.honeycomb.honeycomb_api_key
"""

EXAMPLES = r"""
- name: What would the nightly rotation do?
  community.honeycomb.honeycomb_api_key_rotation:
    phase: status
    rotations:
      - name: checkout
        key_type: ingest
        environment: production
        max_age: 30d
  register: rotation

- name: Show it
  ansible.builtin.debug:
    var: rotation.report

- name: An application was forgotten and is being refused, so bring its key back now
  community.honeycomb.honeycomb_api_key_rotation:
    phase: restore
    rotations:
      - name: billing
        key_type: ingest
        environment: production
"""

RETURN = r"""
rotations:
  description: What there was, and what comes next, for each key of O(rotations).
  returned: success, for all phases but V(activate) and V(promote)
  type: list
  elements: dict
  contains:
    name:
      description: The name of the key.
      type: str
      sample: checkout
    key_type:
      description: The type of the key.
      type: str
      sample: ingest
    environment:
      description: The slug of the environment, or its id if the slug is not known.
      type: str
      sample: production
    due:
      description: Whether the key is to be replaced now.
      type: bool
      sample: false
    reason:
      description: Why, or why not.
      type: str
      sample: 12 d old; the maximum is 90 d
    blocked:
      description: Why nothing may be done about this key, or C(null).
      type: str
    findings:
      description: What a person should know.
      type: list
      elements: str
    generations:
      description: The keys that belong to it, oldest first.
      type: list
      elements: dict
      contains:
        id:
          description: The id.
          type: str
          sample: hcxik_01hqk4k20cjeh63wca8vva5stw
        name:
          description: The name, with its mark.
          type: str
          sample: checkout [retired 20260211T081500Z]
        kind:
          description: V(current), V(pending), V(retired), V(off) or V(restored).
          type: str
          sample: retired
        stale:
          description:
            - Whether it is left over from an unfinished run and never was the current key. It is disabled and deleted like the others, but
              O(phase=restore) does not bring it back.
          type: bool
          sample: false
        enabled:
          description: Whether it is enabled.
          type: bool
          sample: true
        created_at:
          description: When it was created.
          type: str
          sample: "2025-11-11T08:15:00Z"
        since:
          description: When it became retired, off or restored.
          type: str
          sample: "2026-02-11T08:15:00Z"
        age:
          description: Its age, for people.
          type: str
          sample: 91 d 23 h
    steps:
      description: What is due now without a new key. Each entry has C(action), C(id), C(changes) and C(why).
      type: list
      elements: dict
    upcoming:
      description: What comes later, soonest first. Each entry has C(at) and C(what).
      type: list
      elements: dict
blocked:
  description: Why nothing was done about some of the keys. Empty when all is well.
  returned: success, for all phases but V(activate) and V(promote)
  type: list
  elements: str
report:
  description: The same as lines for people. With V(promote), what became of each key.
  returned: success, for all phases but V(activate)
  type: list
  elements: str
staged:
  description:
    - For each key that is being replaced, what V(activate) and V(promote) need, and its new value as C(key).
    - Holds secrets.
  returned: success, for V(stage)
  type: list
  elements: dict
promoted:
  description: For each key that was replaced, its C(name), C(new_id), C(old_id), and the C(steps) taken.
  returned: success, for V(promote)
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

from ansible_collections.community.honeycomb.plugins.module_utils._api.resources import KEY_TYPES
from ansible_collections.community.honeycomb.plugins.module_utils._keys.generations import Marks
from ansible_collections.community.honeycomb.plugins.module_utils._module.base import HoneycombModule
from ansible_collections.community.honeycomb.plugins.module_utils._module.rotation import run_rotation


def main() -> None:
    key_type = {"type": "str", "choices": list(KEY_TYPES)}
    rotation = {
        "name": {"type": "str", "required": True},
        "key_type": key_type,
        "environment": {"type": "str"},
        **{name: {"type": "str"} for name in ("max_age", "overlap", "grace", "lock_time")},
        "force": {"type": "bool"},
    }
    staged = {
        "position": {"type": "int"},
        "name": {"type": "str", "required": True},
        "key_type": {"type": "str", "required": True},
        "environment": {"type": "str", "required": True},
        "environment_slug": {"type": "str"},
        "overlap": {"type": "str", "default": "0s"},
        "old_id": {"type": "str"},
        "stale_ids": {"type": "list", "elements": "str"},
        "new_id": {"type": "str", "required": True},
        "key": {"type": "str", "no_log": True},
    }
    marks = {option: {"type": "str", "default": word} for option, word in Marks().words().items()}
    spec = {
        "phase": {
            "type": "str",
            "choices": ["status", "stage", "activate", "promote", "restore", "retire"],
            "required": True,
        },
        "rotations": {"type": "list", "elements": "dict", "options": rotation},
        "key_type": key_type,
        "environment": {"type": "str"},
        "max_age": {"type": "str", "default": "90d"},
        "overlap": {"type": "str", "default": "0s"},
        "grace": {"type": "str", "default": "48h"},
        "lock_time": {"type": "str", "default": "1h"},
        "force": {"type": "bool", "default": False},
        "staged": {"type": "list", "elements": "dict", "options": staged},
        "old_keys": {"type": "list", "elements": "str", "no_log": True},
        "id": {"type": "str"},
        "verify_time": {"type": "str", "default": "60s"},
        "marks": {"type": "dict", "options": marks},
    }
    needs = [("phase", phase, ["rotations"]) for phase in ("status", "stage", "restore", "retire")]
    needs += [("phase", phase, ["staged"]) for phase in ("activate", "promote")]
    HoneycombModule(spec, required_if=needs).run(run_rotation)


if __name__ == "__main__":
    main()
