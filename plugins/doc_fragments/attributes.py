# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documents what the modules of this collection support."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/community.honeycomb.honeycomb) in C(module_defaults) to set options for all modules of this collection.
    support: full
    membership:
      - community.honeycomb.honeycomb
  check_mode:
    description: Can run in C(check_mode) and predict whether it would change the target, without changing it.
  diff_mode:
    description: In diff mode, returns details on what changed, or would change in C(check_mode).
  idempotent:
    description: When run twice in a row with the same arguments, outside check mode, the second run reports no change.
"""

    # Modules that only read.
    INFO = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - This module changes nothing.
  diff_mode:
    support: N/A
    details:
      - This module changes nothing.
  idempotent:
    support: full
    details:
      - This module changes nothing.
"""
