# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role api_key_rotation on its worst days: killed anywhere, the service gone at any request, two runs at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from simulator import Simulator

# A run that fails does not have to wait long before it gives up.
HASTY = {"HONEYCOMB_MAX_WAIT": "3"}
# Points that the quick tests try; the slow ones try all.
QUICK = 3
ALWAYS = {"max_age": "0s"}
AT_ONCE = {"max_age": "0s", "lock_time": "0s"}


def finish(scene: Any, point: str) -> None:
    """After a disaster: the consumer is served, and one undisturbed run ends where every rotation ends."""
    assert scene.accepted(), f"{point}: the consumer was cut off"
    scene.rotate(variables=AT_ONCE)
    enabled = [key for key in scene.generations() if not key.disabled]
    assert [key.name for key in enabled] == [scene.name], f"{point}: {enabled} are enabled"
    assert scene.value() == enabled[0].value, f"{point}: the consumer does not have the new value"
    old = scene.sim.key(scene.old.id)
    assert old is not None, f"{point}: the old key is gone"
    assert old.disabled, f"{point}: the old key is {old}"


def spread(points: int, most: int) -> list[int]:
    """All points, or so many of them, the first and the last included."""
    chosen = min(points, most)
    return sorted({1 + round(number * (points - 1) / (chosen - 1)) for number in range(chosen)})


def survive(new_scene: Any, tell: Any, points: int, full: bool, kind: str, disaster: Any) -> None:
    """Let a disaster happen at each point, and tell how many of them a rotation survives."""
    chosen = spread(points, points if full else QUICK)
    failures = []
    for point in chosen:
        scene = new_scene(f"{kind.replace(' ', '-')}-{point}")
        try:
            disaster(scene, point)
            finish(scene, f"{kind} {point}")
        except (AssertionError, pytest.fail.Exception) as error:
            # The other points tell where the trouble begins and ends.
            failures.append(f"{kind} {point}: {error}")
    held = len(chosen) - len(failures)
    tell("told", f"{kind}: tried {len(chosen)} of the {points} points that a rotation has, {held} hold")
    assert not failures, "\n\n".join(failures)


@pytest.mark.parametrize("after", [False, True], ids=["not carried out", "answer lost"])
@pytest.mark.parametrize("full", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["quick", "full"])
def test_the_service_disappears_at_a_request(
    new_scene: Callable[[str], Any],
    sim: Simulator,
    record_property: Callable[[str, object], None],
    after: Any,
    full: Any,
) -> None:
    scene = new_scene("undisturbed")
    sim.forget_requests()
    scene.rotate(variables=ALWAYS)
    points = len([entry for entry in sim.requests if entry.operation != "otlpTraces"])

    def disaster(scene: Any, point: Any) -> None:
        sim.clear_faults()
        sim.fail(nth=point, effect="down", after=after)
        result = scene.rotate(variables=ALWAYS, env=HASTY, expect_rc=None)
        assert "Traceback" not in result.output
        sim.up()
        sim.clear_faults()

    kind = "service gone after request" if after else "service gone before request"
    survive(new_scene, record_property, points, full, kind, disaster)


@pytest.mark.parametrize("full", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["quick", "full"])
def test_the_controller_is_killed_before_a_task(
    new_scene: Callable[[str], Any], record_property: Callable[[str, object], None], full: Any
) -> None:
    scene = new_scene("undisturbed")
    # Some tasks, like include_tasks, give no result record, so the end is found by going there.
    result = scene.rotate(variables=ALWAYS)
    points = result.stdout.count("TASK [")

    def disaster(scene: Any, point: Any) -> None:
        env = {"ANSIBLE_CALLBACKS_ENABLED": "record,kill", "HONEYCOMB_TEST_KILL_AT": str(point)}
        result = scene.rotate(variables=ALWAYS, env=env, expect_rc=None)
        assert result.rc == -9, f"it was not killed: {result.rc}"

    survive(new_scene, record_property, points, full, "killed before task", disaster)


@pytest.mark.parametrize("times", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_of_two_runs_at_once_one_stops(new_scene: Callable[[str], Any], times: Any) -> None:
    for number in range(times):
        scene = new_scene(f"twice-{number}")
        with ThreadPoolExecutor(2) as pool:
            runs = [pool.submit(scene.rotate, variables=ALWAYS, expect_rc=None) for _run in range(2)]
        results = [run.result() for run in runs]

        assert sorted(result.rc for result in results) == [0, 2], "\n".join(result.output for result in results)
        loser = " ".join(next(result.output for result in results if result.rc).split())
        assert "another run" in loser
        enabled = [key for key in scene.generations() if not key.disabled]
        assert [key.name for key in enabled] == [scene.name]
        assert scene.value() == enabled[0].value
