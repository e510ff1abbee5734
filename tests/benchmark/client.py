# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The same work with the PyPI package honeycomb-api, as a script of its user: client.py in-turn|asyncio NAME ..."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from honeycomb import HoneycombClient, IngestKey


def client(**options: Any) -> HoneycombClient:
    return HoneycombClient(
        management_key=os.environ["HONEYCOMB_KEY_ID"],
        management_secret=os.environ["HONEYCOMB_KEY_SECRET"],
        base_url=os.environ["HONEYCOMB_API_ENDPOINT"],
        **options,
    )


def missing(names: list[str], keys: list[Any], place: str) -> list[IngestKey]:
    there = {key.name for key in keys if key.environment_id == place}
    return [
        IngestKey(key_type="ingest", name=name, permissions={"create_datasets": True})
        for name in names
        if name not in there
    ]


def production(environments: list[Any]) -> str:
    place: str = next(entry.id for entry in environments if entry.attributes.slug == "production")
    return place


def in_turn(names: list[str]) -> None:
    with client(sync=True) as honeycomb:
        place = production(honeycomb.environments.list())
        for key in missing(names, honeycomb.api_keys.list(key_type="ingest"), place):
            honeycomb.api_keys.create(key, environment_id=place)


async def all_at_once(names: list[str]) -> None:
    async with client() as honeycomb:
        place = production(await honeycomb.environments.list_async())
        keys = missing(names, await honeycomb.api_keys.list_async(key_type="ingest"), place)
        made = [honeycomb.api_keys.create_async(key, environment_id=place) for key in keys]
        outcomes = await asyncio.gather(*made, return_exceptions=True)
    failures = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    if failures:
        sys.exit(f"{len(failures)} keys were not made: {type(failures[0]).__name__}")


if __name__ == "__main__":
    if sys.argv[1] == "in-turn":
        in_turn(sys.argv[2:])
    else:
        asyncio.run(all_at_once(sys.argv[2:]))
