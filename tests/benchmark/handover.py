# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What it costs to bring values home: many keys next to the same work without a store, or for one key."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from benchmark.bench import Bench, Run, Service

CREATION_GOAL = 2.5
ROTATION_GOAL = 1.5
NIGHTLY_GOAL = 3.0
CONNECTIONS = 16

Store = dict[str, Any]


def stores(stack: ExitStack, work: Path) -> dict[str, Callable[[], Store]]:
    """The stores to measure, each with what makes an empty place of it. OpenBao only where it is installed."""
    numbers = iter(range(10**6))
    found: dict[str, Callable[[], Store]] = {
        "files": lambda: {"type": "file", "path": f"{work}/values-{next(numbers)}/{{name}}"}
    }
    if shutil.which("bao") or (Path(sys.executable).parent / "bao").exists():
        from stores.servers import OpenBao

        server = stack.enter_context(OpenBao())
        common = {"type": "hashi_vault", "url": server.url, "token": server.token}
        found["OpenBao"] = lambda: {**common, "path": f"values-{next(numbers)}/{{name}}"}
    return found


def play(bench: Bench, service: Service, name: str, names: list[str], store: Store | None, **more: Any) -> Run:
    """Run a playbook with keys and a store."""
    entries = [{"name": entry} for entry in names]
    variables = json.dumps({"services": entries, "concurrency": CONNECTIONS, "store": store, **more})
    playbook = str(Path(__file__).parent / name)
    return bench.run(service, [sys.executable, "-m", "ansible", "playbook", playbook, "--extra-vars", variables])


def handover(
    bench: Bench, latency: float, repeat: int, show: Callable[..., None], median_run: Callable[[list[Run]], Run]
) -> bool:
    """Print the three tables. True where every goal is met."""
    options = ["--latency", str(latency), "--keys", "500"]
    goals: list[bool] = []

    def measure(work: Callable[[Service], Run]) -> Run:
        runs = []
        for _turn in range(repeat):
            with bench.service(*options) as service:
                runs.append(work(service))
        return median_run(runs)

    def row(title: str, run: Run, base: Run) -> list[str]:
        return [title + (" FAILED" if run.failed else ""), *run.row(), f"{run.seconds / base.seconds:.2f}"]

    with ExitStack() as stack:
        found = stores(stack, bench.work)
        header = ["", "time", "reads", "writes", "429s", "connections", "ratio to the first"]

        names = [f"svc-{number}" for number in range(100)]
        base = measure(lambda service: play(bench, service, "bulk.yml", names, None))
        rows = [row("created, values in the result", base, base)]
        for name, place in found.items():
            run = measure(lambda service, place=place: play(bench, service, "stored.yml", names, place()))  # type: ignore[misc]
            rows.append(row(f"created, values in {name}", run, base))
            goals += [run.seconds / base.seconds <= CREATION_GOAL, not run.failed, not run.refusals]
        show("100 new keys, 500 there already, the whole ansible-playbook:", header, rows)
        print(f"\nGoal: a ratio of at most {CREATION_GOAL}.")

        for name, place in found.items():
            one, fifty = (
                measure(lambda service, count=count, place=place: _rotate(bench, service, count, place()))  # type: ignore[misc]
                for count in (1, 50)
            )
            show(
                f"Keys rotated into {name}, by the role:",
                header,
                [row("one key", one, one), row("50 keys", fifty, one)],
            )
            goals += [fifty.seconds / one.seconds <= ROTATION_GOAL, not fifty.failed, not fifty.refusals]
            print(f"\nGoal: a ratio of at most {ROTATION_GOAL}.")

        one = measure(lambda service: _rotate(bench, service, 1, found["files"](), max_age="90d"))
        quiet = measure(lambda service: _rotate(bench, service, 120, found["files"](), max_age="90d"))
        lines = len((bench.work / "output").read_text().splitlines())
        show(
            "A nightly run with nothing due, by the role:",
            header,
            [row("one key", one, one), row("120 keys", quiet, one)],
        )
        print(f"\n{lines} lines of output. Goal: at most {NIGHTLY_GOAL:g} s.")
        goals += [quiet.seconds <= NIGHTLY_GOAL, not quiet.writes]
    return all(goals)


def _rotate(bench: Bench, service: Service, count: int, store: Store, max_age: str = "0s") -> Run:
    names = [f"svc-{number}" for number in range(count)]
    for name in names:
        answer = requests.post(
            f"{service.url}/_simulator/keys",
            json={"name": name, "key_type": "ingest", "environment": "production"},
            timeout=60,
        )
        answer.raise_for_status()
    return play(bench, service, "rotate.yml", names, store, max_age=max_age)
