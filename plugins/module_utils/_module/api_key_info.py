# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it can change in any release, without notice.

"""What ``honeycomb_api_key_info`` does, between its options and its results."""

from __future__ import annotations

import typing as t
from collections import Counter

from .._api.resources import ApiKey, describe_key
from .._environments.lookup import Environments
from .._errors import InputError
from .._time import parse_duration, parse_timestamp
from .base import HoneycombModule


def run_api_key_info(module: HoneycombModule) -> dict[str, t.Any]:
    """``honeycomb_api_key_info``"""
    params = module.params
    for option in ("id", "name", "environment", "older_than"):
        if params[option] == "":
            raise InputError(f"{option}: it is empty. Omit it, or say which keys are meant.")
    oldest = parse_duration(params["older_than"], "older_than") if params["older_than"] else None
    client = module.client()
    environments = Environments(client)
    environment = environments.resolve(params["environment"]) if params["environment"] else None
    if params["id"]:
        found = client.get_key(params["id"])
        keys = [found] if found else []
    else:
        keys = client.list_keys(params["key_type"])
    now = client.transport.now()

    def passes(key: ApiKey) -> bool:
        created = parse_timestamp(key.created_at)
        return (
            params["name"] in (None, key.name)
            and params["key_type"] in (None, key.key_type)
            and (environment is None or environment.id == key.environment_id)
            and (params["status"] is None or (params["status"] == "disabled") == key.disabled)
            and (oldest is None or (created is not None and now - created > oldest))
        )

    def describe(key: ApiKey) -> dict[str, t.Any]:
        created = parse_timestamp(key.created_at)
        return {**describe_key(key, known), "age_days": None if created is None else max(0, (now - created).days)}

    keys = sorted((key for key in keys if passes(key)), key=lambda key: key.order)
    known = environments.name(key.environment_id for key in keys)
    described = [describe(key) for key in keys]
    return {"changed": False, "api_keys": described, "summary": summarize(described)}


def summarize(keys: t.Sequence[dict[str, t.Any]]) -> dict[str, t.Any]:
    """Counts over described keys."""
    disabled = sum(key["disabled"] for key in keys)
    places = Counter(key["environment"]["slug"] or key["environment"]["id"] for key in keys)
    return {
        "total": len(keys),
        "enabled": len(keys) - disabled,
        "disabled": disabled,
        "by_environment": dict(sorted(places.items())),
        "by_type": dict(sorted(Counter(key["key_type"] for key in keys).items())),
    }
