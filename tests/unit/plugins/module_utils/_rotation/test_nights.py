# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many keys over many nights, by the clock: the decisions alone, on keys in memory."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from ansible_collections.community.honeycomb.plugins.module_utils._api.resources import ApiKey, Environment
from ansible_collections.community.honeycomb.plugins.module_utils._keys.generations import (
    Generation,
    Listing,
    Marks,
    let_go,
)
from ansible_collections.community.honeycomb.plugins.module_utils._keys.plan import Plan
from ansible_collections.community.honeycomb.plugins.module_utils._rotation.decisions import (
    Policy,
    assess,
    plan_promotion,
    successor,
)
from ansible_collections.community.honeycomb.plugins.module_utils._rotation.jobs import Case, Job
from ansible_collections.community.honeycomb.plugins.module_utils._rotation.schedule import Rules, scheduled
from ansible_collections.community.honeycomb.plugins.module_utils._time import format_timestamp, parse_timestamp

START = datetime(2026, 1, 1, 1, tzinfo=timezone.utc)
DAY = timedelta(days=1)
MARKS = Marks()
ENVIRONMENT = Environment("env", "Production", "production")


class Team:
    """The keys of a team, and a rotation that runs every night."""

    def __init__(self, count: int, policy: Policy, rules: Rules) -> None:
        self.jobs = [Job(number, f"service{number}", "ingest", ENVIRONMENT, policy) for number in range(count)]
        self.rules = rules
        self.keys: dict[str, ApiKey] = {}
        self.number = 0
        for job in self.jobs:
            self.create(ApiKey(None, job.name, "ingest", "env", False), START)

    def create(self, key: ApiKey, now: datetime) -> ApiKey:
        self.number += 1
        moment = format_timestamp(now)
        made = replace(key, id=f"k{self.number:05}", disabled=False, created_at=moment, updated_at=moment)
        self.keys[str(made.id)] = made
        return made

    def carry_out(self, plan: Plan, now: datetime) -> None:
        assert plan.key
        if plan.action == "delete":
            assert self.keys.pop(str(plan.key.id)).disabled
        else:
            changed = replace(self.keys[str(plan.key.id)], **plan.changes, updated_at=format_timestamp(now))
            self.keys[str(plan.key.id)] = changed

    def assessed(self, now: datetime, jobs: Iterable[Job]) -> list[Case]:
        listing = Listing(self.keys.values())
        return [
            Case(job, assess(job.name, listing.family(job.name, "ingest", "env"), now, job.policy, MARKS))
            for job in jobs
        ]

    def night(self, now: datetime, fails: bool) -> int:
        """One run. Where it fails, every key that it creates reaches some host and not all of them.

        :returns: How many keys were created.
        """
        cases = self.assessed(now, self.jobs)
        due = [case.job for case in scheduled(cases, now, self.rules) if case.state.due]
        while cases := [case for case in cases if case.state.steps]:
            for case in cases:
                for step in case.state.steps:
                    self.carry_out(step, now)
            cases = self.assessed(now, [case.job for case in cases])
        states = {case.job.position: case.state for case in self.assessed(now, due)}
        for job in due:
            state = states[job.position]
            new = self.create(successor(state, MARKS, now), now)
            if fails:
                self.carry_out(let_go(job.name, Generation("pending", new, mark="pending"), now, MARKS, ""), now)
                continue
            old_id = str(state.current and state.current.key.id)
            ids = [str(new.id), old_id, *(str(entry.key.id) for entry in state.left_over)]
            found: dict[str, ApiKey | None] = {key_id: self.keys[key_id] for key_id in ids}
            for plan in plan_promotion(job.name, str(new.id), old_id, found, now, MARKS):
                self.carry_out(plan, now)
        return len(due)


@pytest.mark.parametrize("seed", range(2))
def test_three_hundred_keys_of_one_day(seed: int) -> None:
    dice = random.Random(seed)
    most, policy = 35, Policy(max_age=90 * DAY, overlap=DAY, grace=2 * DAY)
    team = Team(300, policy, Rules(most=most))
    created = []
    for night in range(1, 201):
        now = START + night * DAY + timedelta(minutes=dice.randrange(60))
        created.append(team.night(now, fails=dice.random() < 0.05))
        for key in team.keys.values():
            age = now - (parse_timestamp(key.created_at) or now)
            assert key.disabled or age <= policy.max_age, f"{key.name} is enabled after {age}"
    assert max(created) <= most
    assert sum(created) >= 600, "every key was rotated twice"
    assert sum(1 for count in created if count) > 20, "not all in a few nights"
    last = START + 201 * DAY
    for night in range(4):
        team.night(last + night * DAY, fails=False)
    enabled = [key.name for key in team.keys.values() if not key.disabled]
    assert not [name for name in enabled if "[stale" in name], "no leftover is alive"
    assert len([name for name in enabled if " [" not in name]) == 300


def test_a_key_that_fails_every_night_does_not_keep_the_others_from_their_turn() -> None:
    policy = Policy(max_age=30 * DAY, lead=3 * DAY)
    team = Team(40, policy, Rules(most=4))
    failing = {f"service{number}" for number in range(6)}
    rotated = set()
    for night in range(1, 41):
        now = START + night * DAY
        before = {key.id for key in team.keys.values()}
        team.night(now, fails=False)
        fresh = [key for key in team.keys.values() if key.id not in before]
        for key in fresh:
            if key.name in failing:
                # It was not promoted: nobody has the new key, which is put away.
                old = max(
                    (old for old in team.keys.values() if old.name.startswith(f"{key.name} [retired")),
                    key=lambda old: old.order,
                )
                stamp = f"{now:%Y%m%dT%H%M%SZ}"
                team.keys[str(key.id)] = replace(key, name=f"{key.name} [stale {stamp} off]", disabled=True)
                team.keys[str(old.id)] = replace(old, name=key.name, disabled=False)
            else:
                rotated.add(key.name)
    assert len(rotated) == 34
