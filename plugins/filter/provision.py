# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filters of the role environment_provision: its decisions are Python's, see ``module_utils/_keys/provision.py``."""

from __future__ import annotations

import typing as t

from ansible_collections.community.honeycomb.plugins.module_utils._keys import provision


def provision_request(
    services: list[dict[str, t.Any]],
    folder: str,
    store: t.Mapping[str, t.Any] | None = None,
    store_tasks: str | None = None,
) -> dict[str, t.Any]:
    return vars(provision.read_request(services, store, store_tasks, folder))


def provision_plan(services: list[dict[str, t.Any]], api_keys: list[dict[str, t.Any]]) -> dict[str, t.Any]:
    return vars(provision.plan_services(services, api_keys))


def provision_failures(results: list[dict[str, t.Any]], failures: list[str]) -> list[str]:
    return provision.tell_failures(results, failures)


def provision_reason(message: t.Any, value: str) -> str:
    return provision.tell_reason(message, value)


class FilterModule:
    """The filters by their names."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "provision_request": provision_request,
            "provision_plan": provision_plan,
            "provision_failures": provision_failures,
            "provision_reason": provision_reason,
        }
