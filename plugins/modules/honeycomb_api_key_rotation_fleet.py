#!/usr/bin/python

# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: honeycomb_api_key_rotation_fleet
short_description: Keep track of which hosts have the new values, for the role api_key_rotation
version_added: 0.1.0
author:
  - Contributors to the community.honeycomb collection (@ansible-collections)
description:
  - Serves the role P(community.honeycomb.api_key_rotation#role), and is of no use elsewhere. It runs on the controller, makes no requests to
    Honeycomb, and decides for each key what follows from what the hosts noted.
extends_documentation_fragment:
  - action_common_attributes
  - action_common_attributes.conn
  - action_common_attributes.flow
attributes:
  action:
    support: full
  async:
    support: none
  become:
    support: none
  bypass_host_loop:
    support: none
  check_mode:
    support: full
  connection:
    support: full
    details:
      - Only O(step=reach) opens a connection.
  delegation:
    support: full
  diff_mode:
    support: none
  platform:
    support: full
    platforms: all
options:
  step:
    description:
      - With V(begin), refuse what can't be done, and find out who uses which key.
      - With V(reach), see whether a host can be reached, where a key that it uses is due.
      - With V(choose), tell which keys get a new one.
      - With V(open), note which new keys there are.
      - With V(look), note which of them another run has taken over.
      - With V(deal), tell which hosts get which of them.
      - With V(judge), tell which keys are on all of their hosts.
      - With V(close), note what became of them.
    type: str
    choices:
      - begin
      - reach
      - choose
      - open
      - look
      - deal
      - judge
      - close
    required: true
  data:
    description: What the step works with. The role's tasks show what that is.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: See whether the host can be reached
  community.honeycomb.honeycomb_api_key_rotation_fleet:
    step: reach
    data:
      positions: [0]
      due: [0]
  register: reach
"""

RETURN = r"""
reached:
  description: Whether the host can be reached; V(true) where that does not matter.
  returned: success, for V(reach)
  type: bool
  sample: true
why:
  description: Why it can't be reached, or an empty string.
  returned: success, for V(reach)
  type: str
  sample: ""
state:
  description: What is left to do. Contains no values.
  returned: success, for V(open), V(look) and V(close)
  type: dict
"""
