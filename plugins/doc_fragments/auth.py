# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documents the options that every module shares; ``auth_spec`` in ``module_utils/_module/options.py`` defines them."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  management_key_id:
    description:
      - The id of the management key, which looks like C(hcxmk_) followed by 26 characters. It is not a secret.
      - If not set, the environment variable E(HONEYCOMB_KEY_ID) is used, else E(HONEYCOMB_MANAGEMENT_KEY).
    type: str
  management_key_secret:
    description:
      - The secret of the management key.
      - If not set, the environment variable E(HONEYCOMB_KEY_SECRET) is used, else E(HONEYCOMB_MANAGEMENT_SECRET).
    type: str
  team:
    description:
      - The slug of the team. By default, that of the management key's team.
      - If not set, the environment variable E(HONEYCOMB_TEAM) is used.
    type: str
  api_url:
    description:
      - The address of Honeycomb's API. For EU teams, use V(https://api.eu1.honeycomb.io).
      - Plain C(http) is only allowed for loopback addresses.
      - If not set, the environment variable E(HONEYCOMB_API_ENDPOINT) is used.
    type: str
    default: https://api.honeycomb.io
  timeout:
    description:
      - Seconds that one whole request may take, to connect, send it, and receive the answer.
      - If not set, the environment variable E(HONEYCOMB_TIMEOUT) is used.
    type: float
    default: 10
  max_wait:
    description:
      - Seconds that one task may wait in total, for rate limits and between retries.
      - Before a wait that would exceed it, the task fails at once, with a message that says how long the wait would have been.
      - If not set, the environment variable E(HONEYCOMB_MAX_WAIT) is used.
    type: float
    default: 300
  validate_certs:
    description:
      - Whether to verify the server's certificate. Use V(false) only for test servers.
    type: bool
    default: true
  ca_path:
    description:
      - A file or directory with the certificates of the authorities to trust, instead of the default ones.
    type: path
requirements:
  - requests >= 2.28
notes:
  - Run the task where the management key may be known and the Python library requests is installed. That is usually the controller,
    with C(delegate_to=localhost) or C(connection=local).
"""
