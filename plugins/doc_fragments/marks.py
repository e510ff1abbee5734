# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the option ``marks``; ``marks_spec`` in ``module_utils/_module/options.py`` is its other half."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  marks:
    description:
      - The words that mark the generations of rotated keys in their names. Change them only while no rotation is in progress and no retired
        generation is left, since generations with other marks are not recognized.
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
        description: Marks a leftover of a run that did not finish, which never was the current key.
        type: str
        default: stale
"""
