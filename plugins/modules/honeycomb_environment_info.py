#!/usr/bin/python

# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: honeycomb_environment_info
short_description: List Honeycomb environments
version_added: 0.1.0
author:
  - Contributors to the community.honeycomb collection (@ansible-collections)
description:
  - Lists all environments of a team.
  - The management key needs the scope C(environments:read).
extends_documentation_fragment:
  - community.honeycomb.auth
  - community.honeycomb.attributes
  - community.honeycomb.attributes.info
options:
  environment:
    description:
      - Only the environment with this id, slug or name. If there is none, the list is empty.
    type: str
seealso:
  - module: community.honeycomb.honeycomb_environment
  - module: community.honeycomb.honeycomb_api_key_info
"""

EXAMPLES = r"""
- name: Every environment of the team
  community.honeycomb.honeycomb_environment_info:
  register: team_environments

- name: List those that could be deleted by mistake
  ansible.builtin.debug:
    msg: "{{ team_environments.environments | rejectattr('delete_protected') | map(attribute='slug') }}"

- name: Look up one environment by its slug
  community.honeycomb.honeycomb_environment_info:
    environment: production
  register: production

- name: Show its id
  ansible.builtin.debug:
    msg: "{{ production.environments[0].id }}"
  when: production.environments | length > 0
"""

RETURN = r"""
environments:
  description: The environments, by name.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The environment's id.
      type: str
      sample: hcxen_01hznmeqrcq8rz533xrvtc6mk0
    name:
      description: Its name.
      type: str
      sample: Production
    slug:
      description: Its slug.
      type: str
      sample: production
    description:
      description: Its description.
      type: str
      sample: What customers see
    color:
      description: Its color.
      type: str
      sample: green
    delete_protected:
      description: Whether it is protected from deletion.
      type: bool
      sample: true
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

from ansible_collections.community.honeycomb.plugins.module_utils._module.base import HoneycombModule
from ansible_collections.community.honeycomb.plugins.module_utils._module.environment_info import run_environment_info


def main() -> None:
    HoneycombModule({"environment": {"type": "str"}}).run(run_environment_info)


if __name__ == "__main__":
    main()
