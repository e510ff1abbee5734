#!/usr/bin/python

# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: honeycomb_api_key_rotation
short_description: Run one phase of the rotation of Honeycomb API keys
version_added: 0.1.0
author:
  - Contributors to the community.honeycomb collection (@ansible-collections)
description:
  - The role P(community.honeycomb.api_key_rotation#role) chains the phases, and deploys the new values in between. Use this module on its
    own to show the status of rotations (O(phase=status)), or to build another chain.
  - All state is in Honeycomb itself. When a key C(NAME) is replaced, it becomes C(NAME [retired TIME]); its successor is C(NAME [pending])
    until it is deployed. Each phase decides from the keys that it finds, so the next run finishes what a dead run left behind.
extends_documentation_fragment:
  - community.honeycomb.auth
  - community.honeycomb.attributes
  - community.honeycomb.marks
  - community.honeycomb.store
attributes:
  check_mode:
    support: full
    details:
      - In check mode, O(phase=stage) reports everything that a rotation would do next; the following phases have nothing to work on.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - All phases, except that O(phase=stage) creates another key when a key is due again. With C(max_age=0s) or C(force), it always is.
options:
  phase:
    description:
      - With V(status), return the generations of each key and the next steps. Writes nothing.
      - With V(stage), disable replaced keys whose overlap has ended, delete keys that have been disabled for the grace period, clean up what a
        dead run left behind, and bring out a new key for each key that is due. It is created disabled and pending; its value goes into the
        pending slot of O(store); it is enabled, and Honeycomb has to accept the value as the right key; then the value becomes the live one
        in O(store). Without a store, the result contains it. If the pending slot holds the value of a key that an earlier run left behind,
        that key is used. If one key fails, the others go on, and the task succeeds; see RV(failures).
      - With V(check), see that the pending keys of O(staged) are still there and enabled, and that no other run has taken them over.
      - With V(promote), make the pending keys of O(staged) the current ones. By then, they have to be on every consumer.
      - With V(release), give up the pending keys of O(staged), so that the next run can begin at once. What may be on a consumer (O(received))
        stays enabled until another rotation of the key succeeds, and what is in O(store) stays pending; all others are disabled.
      - With V(restore), enable the newest retired generation of each key at once, and make its value the live one in O(store). No phase
        disables it until it is retired. A key that can't be restored does not stop the others; the task fails in the end, and says so.
      - With V(retire), retire restored generations, and make the value of the current key the live one in O(store). Their overlap begins then.
    type: str
    choices:
      - status
      - stage
      - check
      - promote
      - release
      - restore
      - retire
    required: true
  rotations:
    description:
      - The keys to rotate. Required for all phases but V(check), V(promote) and V(release), which need it where a key has an O(rotations[].store).
    type: list
    elements: dict
    suboptions:
      name:
        description: The name of the key. It has to leave room for the marks.
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
      lead:
        description: Instead of O(lead).
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
      store:
        description:
          - What differs from O(store) for this key. With another C(type), it stands by itself.
          - It can't hold secrets, since Ansible would not hide them here. Give these in O(store), or in their environment variables.
        type: dict
  key_type:
    description: The type of each key that does not set its own.
    type: str
    choices:
      - ingest
      - configuration
  environment:
    description: The id, slug or name of the environment of each key that does not set its own.
    type: str
  max_age:
    description:
      - How old a key may be when it is disabled. It is due earlier than that, by O(overlap), O(lead), and a spread of up to an eighth of the
        time, which is different for each key, so that keys that were created on one day are not all due on one night.
      - A key with a time to live is due before that ends, too. Its successor lives as long as it did.
      - With V(0s), it is always due.
    type: str
    default: 90d
  lead:
    description:
      - How long before its deadline a key is to be disabled, so that some nights may fail. It takes at most a quarter of the time that
        O(max_age) and O(overlap) leave.
    type: str
    default: 3d
  window:
    description:
      - When keys may be rotated because of their age, as days, hours and a time zone, for example V(mon-thu 01:00-05:00) or V(sat,sun
        22:00-04:00 Europe/Berlin). Without days, it is every day; without a zone, UTC. Steps that need no new key are taken at any time.
      - Keys with O(force), and those that an earlier run has begun and whose value is in a store, do not wait for it.
    type: list
    elements: str
  most:
    description:
      - How many keys V(stage) may replace because of their age. Those that have been due the longest come first, and those that failed lately
        last.
    type: int
  overlap:
    description: How long a replaced key stays enabled.
    type: str
    default: 0s
  grace:
    description: How long a disabled key is kept before it is deleted.
    type: str
    default: 48h
  lock_time:
    description: How long a pending key counts as part of a run in progress.
    type: str
    default: 1h
  force:
    description: Replace keys regardless of their age.
    type: bool
    default: false
  create:
    description:
      - For O(phase=stage), which of O(rotations) may get a new key if they are due, as positions counted from 0. By default, all may. With an
        empty list, only the steps that need no new key are taken, and RV(due) tells what a new key is due for.
    type: list
    elements: int
  only:
    description:
      - Names of some of O(rotations), or ids of their generations. Only these keys are looked at and changed. With V(stage), they do not wait
        for O(window), O(most), or the pause after a failure.
    type: list
    elements: str
  staged:
    description:
      - What O(phase=stage) returned as RV(staged), for V(check), V(promote) and V(release).
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
        description: The ids of enabled leftovers of runs that did not finish.
        type: list
        elements: str
      new_id:
        description: The id of the pending key.
        type: str
        required: true
      key:
        description: The value of the pending key, except where O(store) has it.
        type: str
      place:
        description: Where O(store) has the value, for people.
        type: str
  old_keys:
    description:
      - For O(phase=promote), the values of the replaced keys, in the order of O(rotations). An unknown value is empty. Without an overlap, the
        task waits until Honeycomb refuses them.
    type: list
    elements: str
  received:
    description:
      - For O(phase=release), the ids of the pending keys whose values may be on a consumer.
    type: list
    elements: str
  id:
    description:
      - For O(phase=restore), the id of the generation to restore instead of the newest one. It can't be a stale one. Of several
        O(rotations), the other keys are left alone.
    type: str
  verify_time:
    description: How long V(stage) waits until Honeycomb accepts a new value, and V(promote) until it refuses an old one.
    type: str
    default: 60s
seealso:
  - module: community.honeycomb.honeycomb_api_key
"""

EXAMPLES = r"""
- name: Find out what the nightly rotation would do
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

- name: Restore the key of an application that was forgotten
  community.honeycomb.honeycomb_api_key_rotation:
    phase: restore
    rotations:
      - name: billing
        key_type: ingest
        environment: production
"""

RETURN = r"""
rotations:
  description: The generations that the phase found and the next steps, for each key.
  returned: success, for all phases but V(check), V(promote) and V(release)
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
      description: Whether the key is due to be replaced now.
      type: bool
      sample: false
    reason:
      description: Why, or why not.
      type: str
      sample: 12 d old; the maximum is 90 d
    blocked:
      description: Why no phase may change this key, or C(null).
      type: str
    findings:
      description: What an operator should know.
      type: list
      elements: str
    generations:
      description: Its generations, oldest first.
      type: list
      elements: dict
      contains:
        id:
          description: The id of the generation.
          type: str
          sample: hcxik_01hqk4k20cjeh63wca8vva5stw
        name:
          description: The name of the generation, with its mark.
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
          description: Its age, as text.
          type: str
          sample: 91 d 23 h
    steps:
      description: The steps that are due now, apart from a new key. Each entry has C(action), C(id), C(changes) and C(why).
      type: list
      elements: dict
    upcoming:
      description: The later steps, soonest first. Each entry has C(at) and C(what).
      type: list
      elements: dict
blocked:
  description: For each key that could not be rotated, the reason. Empty if there are none.
  returned: success, for all phases but V(check), V(promote) and V(release)
  type: list
  elements: str
plan:
  description: What is next for each key, soonest first. A key about which nothing may be done is not in it.
  returned: success, for V(status)
  type: list
  elements: dict
  contains:
    at:
      description: When it is due; now, if it is due already.
      type: str
      sample: "2026-12-01T01:00:00Z"
    what:
      description: What is due.
      type: str
      sample: create a new key
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
report:
  description:
    - The same as lines of text. With V(status) and more than one key, a line for each key, sorted by what is next. With V(stage), a line for
      each key about which there is something to say. With V(promote) and V(release), what happened to each key; with V(release), in the order
      of O(staged).
  returned: success, for all phases but V(check)
  type: list
  elements: str
staged:
  description:
    - For each key that is being replaced, what V(check), V(promote) and V(release) need, with its new value as C(key) where no store has it.
    - Contains secrets.
  returned: success, for V(stage)
  type: list
  elements: dict
stored:
  description:
    - For each key of RV(staged) that has a store, its C(name), and where its value is now, as C(type), C(place), C(slot), C(version) and
      C(fingerprint).
  returned: success, for V(stage)
  type: list
  elements: dict
due:
  description: The positions of the keys that are due, but were left out by O(create).
  returned: success, for V(stage)
  type: list
  elements: int
failures:
  description: What went wrong with single keys, while the others went on. Empty if nothing did.
  returned: success, for all phases but V(status) and V(release)
  type: list
  elements: dict
  contains:
    position:
      description: Which of O(rotations) it is, counted from 0.
      type: int
    name:
      description: The name of the key.
      type: str
      sample: checkout
    message:
      description: What happened, in what state things are, and what to do next.
      type: str
promoted:
  description: For each key that was replaced, its C(name), C(new_id), C(old_id), and the C(steps) taken.
  returned: success, for V(promote)
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

from ansible_collections.community.honeycomb.plugins.module_utils._api.resources import KEY_TYPES
from ansible_collections.community.honeycomb.plugins.module_utils._module.base import HoneycombModule
from ansible_collections.community.honeycomb.plugins.module_utils._module.options import marks_spec
from ansible_collections.community.honeycomb.plugins.module_utils._module.rotation import run_rotation
from ansible_collections.community.honeycomb.plugins.module_utils._module.stores import own_store_spec, store_spec


def main() -> None:
    key_type = {"type": "str", "choices": list(KEY_TYPES)}
    rotation = {
        "name": {"type": "str", "required": True},
        "key_type": key_type,
        "environment": {"type": "str"},
        **{name: {"type": "str"} for name in ("max_age", "lead", "overlap", "grace", "lock_time")},
        "force": {"type": "bool"},
        "store": own_store_spec(),
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
        "place": {"type": "str"},
    }
    spec = {
        "phase": {
            "type": "str",
            "choices": ["status", "stage", "check", "promote", "release", "restore", "retire"],
            "required": True,
        },
        "rotations": {"type": "list", "elements": "dict", "options": rotation},
        "key_type": key_type,
        "environment": {"type": "str"},
        "max_age": {"type": "str", "default": "90d"},
        "lead": {"type": "str", "default": "3d"},
        "window": {"type": "list", "elements": "str"},
        "most": {"type": "int"},
        "overlap": {"type": "str", "default": "0s"},
        "grace": {"type": "str", "default": "48h"},
        "lock_time": {"type": "str", "default": "1h"},
        "force": {"type": "bool", "default": False},
        "create": {"type": "list", "elements": "int"},
        "only": {"type": "list", "elements": "str"},
        "staged": {"type": "list", "elements": "dict", "options": staged},
        "old_keys": {"type": "list", "elements": "str", "no_log": True},
        "received": {"type": "list", "elements": "str"},
        "id": {"type": "str"},
        "verify_time": {"type": "str", "default": "60s"},
        "marks": marks_spec(),
        "store": store_spec(),
    }
    needs = [("phase", phase, ["rotations"]) for phase in ("status", "stage", "restore", "retire")]
    needs += [("phase", phase, ["staged"]) for phase in ("check", "promote", "release")]
    HoneycombModule(spec, required_if=needs).run(run_rotation)


if __name__ == "__main__":
    main()
