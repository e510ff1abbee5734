# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the options that every module shares; ``auth_spec`` in ``module_utils/_module.py`` is its other half."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  management_key_id:
    description:
      - The id of the management key, which looks like C(hcxmk_) and 26 characters. It is not a secret.
      - If not set, the environment variable E(HONEYCOMB_KEY_ID) is used, else E(HONEYCOMB_MANAGEMENT_KEY).
    type: str
  management_key_secret:
    description:
      - The secret of the management key.
      - If not set, the environment variable E(HONEYCOMB_KEY_SECRET) is used, else E(HONEYCOMB_MANAGEMENT_SECRET).
    type: str
  team:
    description:
      - The slug of the team. Found through the management key when it is not given.
      - If not set, the environment variable E(HONEYCOMB_TEAM) is used.
    type: str
  api_url:
    description:
      - The address of the service. Use V(https://api.eu1.honeycomb.io) for teams in the EU.
      - Plain C(http) is accepted for loopback addresses only.
      - If not set, the environment variable E(HONEYCOMB_API_ENDPOINT) is used.
    type: str
    default: https://api.honeycomb.io
  timeout:
    description:
      - Seconds that one request may take to connect, and then to answer.
      - If not set, the environment variable E(HONEYCOMB_TIMEOUT) is used.
    type: float
    default: 10
  max_wait:
    description:
      - Seconds that one task may spend waiting, for rate limits and between retries together.
      - A wait that would exceed it ends the task at once, with a message that says how long it would have been.
      - If not set, the environment variable E(HONEYCOMB_MAX_WAIT) is used.
    type: float
    default: 300
  validate_certs:
    description:
      - Whether the server's certificate has to verify. V(false) is for test servers only.
    type: bool
    default: true
  ca_path:
    description:
      - A file or directory with the certificates of the authorities to trust, instead of the usual ones.
    type: path
requirements:
  - requests >= 2.28
notes:
  - The task runs where the management key may be known, and with Python's requests installed. That is usually the controller, through
    C(delegate_to=localhost) or C(connection=local).
"""
