# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rotation tells."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from ansible_collections.community.honeycomb.plugins.module_utils._api.resources import ApiKey, Environment
from ansible_collections.community.honeycomb.plugins.module_utils._keys.generations import Marks
from ansible_collections.community.honeycomb.plugins.module_utils._rotation import report
from ansible_collections.community.honeycomb.plugins.module_utils._rotation.decisions import Policy, assess
from ansible_collections.community.honeycomb.plugins.module_utils._rotation.jobs import Case, Job, Staged
from ansible_collections.community.honeycomb.plugins.module_utils._rotation.promote import Promotion

NOW = datetime(2026, 2, 1, tzinfo=timezone.utc)
PRODUCTION = Environment("hcaen_1", "Production", "production")


def case_of(*keys: tuple[str, str, bool]) -> Case:
    """A case with keys given as (id, name, disabled)."""
    listing = [
        ApiKey(key_id, name, "ingest", "hcaen_1", disabled, created_at="2026-01-01T00:00:00Z")
        for key_id, name, disabled in keys
    ]
    policy = Policy(grace=timedelta(days=90))
    return Case(Job(0, "checkout", "ingest", PRODUCTION, policy), assess("checkout", listing, NOW, policy, Marks()))


def test_what_can_be_restored_differs_from_what_a_run_left_behind() -> None:
    case = case_of(
        ("k3", "checkout", False),
        ("k2", "checkout [stale 20260131T120000Z off]", True),
        ("k1", "checkout [retired 20260131T000000Z off]", True),
    )

    told = report.overview([case], NOW)

    rows = told["rotations"][0]["generations"]
    assert [(row["id"], row["kind"], row["stale"]) for row in rows] == [
        ("k1", "off", False),
        ("k2", "off", True),
        ("k3", "current", False),
    ]
    lines = [line for line in told["report"] if " off " in line]
    assert len(lines) == 2
    assert [line.endswith("stale: never was the current key") for line in lines] == [False, True]


def test_a_key_that_is_blocked_is_told_with_its_environment() -> None:
    told = report.overview([case_of()], NOW)

    assert told["blocked"][0].startswith("Ingest key 'checkout' of production: there is no enabled key")


def test_a_promotion_names_what_was_replaced() -> None:
    staged = Staged(0, "checkout", "ingest", PRODUCTION, timedelta(hours=24), "k1", (), "k2", "secret")
    old = ApiKey("k1", "checkout [retired 20260201T000000Z]", "ingest", "hcaen_1", False)

    told = report.promotions([Promotion(staged, [], [old])])

    assert told["report"] == [
        "Ingest key 'checkout' of production: k2 is the current key; k1 is to be disabled after 1 d"
    ]
    assert "secret" not in repr(staged)
