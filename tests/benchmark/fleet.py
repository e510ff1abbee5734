# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host costs a rotation, next to a plain play that deploys to it the same way."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmark.bench import Bench, Run

RATIO_GOAL = 3.0
# Of the costs of a host at the largest and the smallest size, in the role
LINE_GOAL = 1.3

# Two tasks that run on the controller alone, so that the comparison is of what the role adds to them.
DEPLOY = """---
- name: Write the value
  ansible.builtin.set_fact:
    benchmark_value: "{{ api_key_rotation_new_key }}"
  no_log: true

- name: Check it
  ansible.builtin.assert:
    that: benchmark_value | length > 0
    quiet: true
"""


def fleet(bench: Bench, sizes: Sequence[int], show: Callable[..., None]) -> bool:
    """Print a table with a row for each number of hosts. True where both goals are met."""
    (bench.work / "deploy_fleet.yml").write_text(DEPLOY)
    common: dict[str, Any] = {"hosts": "all", "gather_facts": False}
    included = {"name": "Deploy", "ansible.builtin.include_tasks": "deploy_fleet.yml"}
    plain = {**common, "name": "Deploy", "vars": {"api_key_rotation_new_key": "a value"}, "tasks": [included]}
    variables = {
        "api_key_rotation_name": "key 1",
        "api_key_rotation_key_type": "ingest",
        "api_key_rotation_environment": "production",
        "api_key_rotation_max_age": "0s",
        "api_key_rotation_deploy_tasks": str(bench.work / "deploy_fleet.yml"),
    }
    rotating = {**common, "name": "Rotate", "vars": variables, "roles": ["community.honeycomb.api_key_rotation"]}
    rows, ratios, costs = [], [], []
    failed = False
    for size in sizes:
        hosts = {f"host{number}": {"ansible_connection": "local"} for number in range(size)}
        (bench.work / "fleet.json").write_text(json.dumps({"all": {"hosts": hosts}}))
        (bench.work / "none.json").write_text(json.dumps({"all": {"hosts": {"host0": hosts["host0"]}}}))

        def run(name: str, play: dict[str, Any], inventory: str = "fleet.json") -> Run:
            path = bench.work / f"{name}.yml"
            path.write_text(json.dumps([play]))
            command = [sys.executable, "-m", "ansible", "playbook", str(path), "-i", str(bench.work / inventory)]
            with bench.service("--keys", "3") as service:
                return bench.run(service, command)

        simple, role, one = run("plain", plain), run("rotate", rotating), run("rotate", rotating, "none.json")
        failed = failed or simple.failed or role.failed
        ratios.append(role.seconds / simple.seconds)
        costs.append((role.seconds - one.seconds) / size)
        rows.append(
            [
                str(size),
                f"{simple.seconds:.1f} s",
                f"{role.seconds:.1f} s",
                f"{ratios[-1]:.2f}",
                f"{1000 * costs[-1]:.0f} ms",
                f"{role.peak:.0f} MiB",
            ]
        )
    show(
        "A key rotated on many hosts, with local connections, next to a plain play with the same two tasks:",
        ["hosts", "plain play", "rotation", "ratio", "a host costs", "memory"],
        rows,
    )
    print(
        f"\nGoal: a ratio of at most {RATIO_GOAL}, and a host that costs at most {LINE_GOAL} times as much among many."
    )
    return not failed and max(ratios) <= RATIO_GOAL and max(costs) <= LINE_GOAL * min(costs)
