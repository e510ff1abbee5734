# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long it takes to provision many keys, side by side with other ways to do it, and what it costs.

Every run gets a fresh simulator in a process of its own, and a process of its own for the work, from its start to its
end. Times are medians. Nothing here fails because of a time: the numbers are for people to judge.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import requests

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from benchmark.fleet import fleet  # noqa: E402
from benchmark.handover import handover  # noqa: E402

from tools.workspace import clean_environment, stage  # noqa: E402

LATENCY = 0.05
GOAL = 0.4
# Of several processes that share the windows of one management key
SEVERAL_RATIO = 1.05
SEVERAL_REFUSALS = 0.05

# Runs a module as Ansible would, with its arguments from standard input.
DRIVER = """
import runpy, sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = sys.stdin.buffer.read()
basic._ANSIBLE_PROFILE = "legacy"
runpy.run_module("ansible_collections.community.honeycomb.plugins.modules.honeycomb_api_keys",
                 run_name="__main__", alter_sys=True)
"""


@dataclass
class Run:
    """What one run took and did."""

    seconds: float
    reads: int
    writes: int
    refusals: int
    connections: int
    failed: bool
    peak: float = 0.0  # MiB

    def row(self) -> list[str]:
        counts = [self.reads, self.writes, self.refusals, self.connections]
        return [f"{self.seconds:.1f} s", *map(str, counts)]


@dataclass
class Service:
    """A simulator in another process."""

    exports: dict[str, str]
    url: str

    def log(self) -> list[dict[str, Any]]:
        log: list[dict[str, Any]] = requests.get(f"{self.url}/_simulator/requests", timeout=60).json()
        return log

    def forget(self) -> None:
        requests.delete(f"{self.url}/_simulator/requests", timeout=60)


class Bench:
    def __init__(self, work: Path) -> None:
        self.work = work
        self.collections = work / "collections"
        stage(self.collections)

    @contextmanager
    def service(self, *options: str) -> Iterator[Service]:
        ready = self.work / "ready"
        ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "simulator", "--ready-file", str(ready), *options]
        process = subprocess.Popen(command, cwd=HERE.parent, stdout=subprocess.DEVNULL)
        try:
            while not ready.exists():
                if process.poll() is not None:
                    sys.exit("The simulator did not start.")
                time.sleep(0.05)
            told = json.loads(ready.read_text())
            yield Service(told["exports"], told["url"])
        finally:
            process.terminate()
            process.wait()

    def run(self, service: Service, command: list[str], given: str = "") -> Run:
        """Run a command to its end, and read in the service's log what it did."""
        service.forget()
        places = dict.fromkeys(("ANSIBLE_COLLECTIONS_PATH", "PYTHONPATH"), str(self.collections))
        env = clean_environment(self.work, **places, **service.exports)
        start = time.monotonic()
        with open(self.work / "output", "w+", encoding="utf-8") as output, tempfile.TemporaryFile("w+") as source:
            source.write(given)
            source.seek(0)
            process = subprocess.Popen(command, env=env, stdin=source, stdout=output, stderr=output)
            _pid, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            seconds = time.monotonic() - start
            output.seek(0)
            if process.returncode:
                print(output.read()[-400:], file=sys.stderr)
        log = service.log()
        return Run(
            seconds,
            reads=sum(entry["method"] == "GET" for entry in log),
            writes=sum(entry["method"] != "GET" for entry in log),
            refusals=sum(entry["status"] == 429 for entry in log),
            connections=len({entry["connection"] for entry in log}),
            failed=process.returncode != 0,
            peak=usage.ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2),
        )

    def playbook(self, service: Service, name: str, names: list[str], concurrency: int = 8) -> Run:
        extra_vars = json.dumps({"services": [{"name": entry} for entry in names], "concurrency": concurrency})
        return self.run(
            service, [sys.executable, "-m", "ansible", "playbook", str(HERE / name), "--extra-vars", extra_vars]
        )

    def client(self, service: Service, way: str, names: list[str]) -> Run:
        return self.run(service, [sys.executable, str(HERE / "client.py"), way, *names])

    def at_once(self, service: Service, processes: int, count: int) -> tuple[float, list[dict[str, Any]], bool]:
        """Run the module in so many processes, for so many new keys each.

        Return the seconds from the first creation to the last one, the log, and whether one has failed.
        """
        places = dict.fromkeys(("ANSIBLE_COLLECTIONS_PATH", "PYTHONPATH"), str(self.collections))
        env = clean_environment(self.work, **places, **service.exports)
        with tempfile.TemporaryFile("w+") as output:
            running = []
            for number in range(processes):
                names = [f"svc-{number}-{item}" for item in range(count)]
                process = subprocess.Popen(
                    [sys.executable, "-c", DRIVER],
                    env=env,
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    text=True,
                )
                assert process.stdin is not None
                with process.stdin as given:
                    given.write(self.arguments(names))
                running.append(process)
            statuses = [process.wait() for process in running]
            if any(statuses):
                output.seek(0)
                print(output.read()[-400:], file=sys.stderr)
        log = service.log()
        made = [datetime.fromisoformat(entry["time"]) for entry in log if entry["operation"] == "createApiKey"]
        return (max(made) - min(made)).total_seconds(), log, any(statuses)

    @staticmethod
    def arguments(names: list[str]) -> str:
        arguments = {"environment": "production", "key_type": "ingest", "api_keys": [{"name": name} for name in names]}
        return json.dumps({"ANSIBLE_MODULE_ARGS": arguments})

    def module(self, service: Service, names: list[str]) -> Run:
        return self.run(service, [sys.executable, "-c", DRIVER], self.arguments(names))


def median_run(runs: list[Run]) -> Run:
    """The run whose time is the median one (of an even number, the slower of the two in the middle)."""
    middle = statistics.median_high(run.seconds for run in runs)
    return next(run for run in runs if run.seconds == middle)


def show(title: str, header: list[str], rows: list[list[str]]) -> None:
    """Print a table, in Markdown."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    rule = ["-" * widths[0]] + ["-" * (width - 1) + ":" for width in widths[1:]]
    print(f"\n{title}\n")
    for row in [header, rule, *rows]:
        first, *others = zip(row, widths, strict=True)
        cells = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        print(f"| {' | '.join(cells)} |", flush=True)


def compare(bench: Bench, count: int, existing: int, repeat: int, slow: bool) -> bool:
    """Ways to create keys, and a second run of ours. True when ours is as quick as it is meant to be."""
    names = [f"svc-{number}" for number in range(count)]
    ways: dict[str, tuple[int, Callable[[Service], Run]]] = {
        "honeycomb_api_keys": (repeat, lambda service: bench.playbook(service, "bulk.yml", names)),
        "honeycomb_api_keys, concurrency 16": (repeat, lambda service: bench.playbook(service, "bulk.yml", names, 16)),
        "honeycomb-api, in turn": (repeat, lambda service: bench.client(service, "in-turn", names)),
        "honeycomb-api, asyncio": (repeat, lambda service: bench.client(service, "asyncio", names)),
        "loop of ansible.builtin.uri": (1, lambda service: bench.playbook(service, "uri.yml", names)),
        "loop of honeycomb_api_key": (1, lambda service: bench.playbook(service, "loop.yml", names)),
    }
    if not slow:
        ways = {name: way for name, way in ways.items() if not name.startswith("loop")}
    runs: dict[str, list[Run]] = {name: [] for name in ways}
    again: list[Run] = []
    for turn in range(repeat):
        for name, (times, way) in ways.items():
            if turn < times:
                with bench.service("--latency", str(LATENCY), "--keys", str(existing)) as service:
                    runs[name].append(way(service))
                    if name == "honeycomb_api_keys":
                        again.append(way(service))
    middle = {name: median_run(found) for name, found in runs.items()}
    base = middle["honeycomb-api, in turn"].seconds
    rows = [
        [name, *run.row(), f"{run.seconds / base:.2f}", f"{len(runs[name])}" + (" FAILED" if run.failed else "")]
        for name, run in middle.items()
    ]
    last = median_run(again)
    rows.insert(1, ["the same, run again", *last.row(), f"{last.seconds / base:.2f}", str(len(again))])
    show(
        f"{count} new keys, {existing} there already, {LATENCY * 1000:.0f} ms for each answer:",
        ["", "time", "reads", "writes", "429s", "connections", "ratio to the client in turn", "runs"],
        rows,
    )
    ours = middle["honeycomb_api_keys"]
    print(f"\nGoal: a ratio of at most {GOAL}, at most 16 connections, {count} writes, and none when it is run again.")
    return ours.seconds / base <= GOAL and ours.connections <= 16 and ours.writes == count and not last.writes


def grow(bench: Bench, count: int, sizes: list[int]) -> bool:
    """The module's process alone, on teams of several sizes. True when memory is within its bounds."""
    rows, peaks = [], []
    for size in sizes:
        with bench.service("--latency", str(LATENCY), "--keys", str(size)) as service:
            run = bench.module(service, [f"svc-{number}" for number in range(count)])
        rows.append([str(size), *run.row(), f"{run.peak:.0f} MiB"])
        peaks.append(run.peak)
    show(
        f"{count} new keys, by the size of the team; the module's process alone:",
        ["keys there", "time", "reads", "writes", "429s", "connections", "peak memory"],
        rows,
    )
    return max(peaks) < 100


def limited(bench: Bench, count: int, window: float) -> bool:
    """Under the service's policy, 100 requests a minute, with everything in a shorter time. True without a refusal."""
    names = [f"svc-{number}" for number in range(count)]
    scale = 60 / window
    options = ["--rate-limit", "100", "--rate-window", str(window), "--latency", str(LATENCY / scale), "--keys", "500"]
    rows = []
    refusals = 0
    ways: dict[str, Callable[[Service], Run]] = {
        "honeycomb_api_keys": lambda service: bench.playbook(service, "bulk.yml", names),
        "honeycomb-api, in turn": lambda service: bench.client(service, "in-turn", names),
        "honeycomb-api, asyncio": lambda service: bench.client(service, "asyncio", names),
    }
    for name, way in ways.items():
        with bench.service(*options) as service:
            run = way(service)
        refusals = refusals or (run.refusals if name == "honeycomb_api_keys" else 0)
        rows.append([name, *run.row(), "no" if run.failed else "yes"])
    show(
        f"{count} new keys at 100 requests a minute, with a minute of {window:g} s and answers as much quicker:",
        ["", "time", "reads", "writes", "429s", "connections", "finished"],
        rows,
    )
    return refusals == 0


def several(bench: Bench, processes: int, count: int, window: float) -> bool:
    """Processes that share one management key and know nothing of each other, at 100 requests a window for all of them.

    Times are by the service's log, from the first creation to the last one. Ideal are all windows but the last one,
    and what the same processes take for one window's requests without a limit. True when both goals are met.
    """
    limit = 100
    options = ["--latency", str(LATENCY * window / 60), "--keys", "500"]
    with bench.service(*options) as service:
        free, _log, _failed = bench.at_once(service, processes, max(1, min(count, limit // processes)))
    with bench.service(*options, "--rate-limit", str(limit), "--rate-window", f"{window:g}") as service:
        seconds, log, failed = bench.at_once(service, processes, count)
    ideal = (math.ceil(processes * count / limit) - 1) * window + free
    refusals = sum(entry["status"] == 429 for entry in log)
    ratio, share = seconds / ideal, refusals / len(log)
    show(
        f"{processes} processes at once, {count} new keys each, {limit} requests every {window:g} s in all:",
        ["processes", "time", "ideal time", "ratio to the ideal", "requests", "429s", "share of 429s", "finished"],
        [
            [
                str(processes),
                f"{seconds:.1f} s",
                f"{ideal:.1f} s",
                f"{ratio:.3f}",
                str(len(log)),
                str(refusals),
                f"{share:.1%}",
                "no" if failed else "yes",
            ]
        ],
    )
    print(f"\nGoal: a ratio of at most {SEVERAL_RATIO}, and fewer than {SEVERAL_REFUSALS:.0%} of refusals.")
    return ratio <= SEVERAL_RATIO and share < SEVERAL_REFUSALS and not failed


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare ways of provisioning many keys, against the simulator.")
    parser.add_argument("--count", type=int, default=100, help="keys to create (default: 100)")
    parser.add_argument("--existing", type=int, default=500, help="keys there already (default: 500)")
    parser.add_argument("--repeat", type=int, default=5, help="runs of each way but the slow ones (default: 5)")
    parser.add_argument("--quick", action="store_true", help="leave the two slow loops out (four minutes)")
    parser.add_argument("--processes", type=int, default=4, help="processes that share one key (default: 4)")
    parser.add_argument("--rate-window", type=float, default=5.0, help="seconds of their windows (default: 5)")
    parser.add_argument("--hosts", type=int, nargs="+", default=[100, 500, 1000], help="sizes of a fleet")
    names = ("compare", "grow", "limited", "several", "handover", "fleet")
    parser.add_argument("--only", choices=names, help="one section alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="honeycomb-bench-") as work:
        bench = Bench(Path(work))
        sections: dict[str, Callable[[], bool]] = {
            "compare": lambda: compare(bench, options.count, options.existing, options.repeat, not options.quick),
            "grow": lambda: grow(bench, options.count, [100, 1000, 10000]),
            "limited": lambda: limited(bench, 3 * options.count, 2.0),
            "several": lambda: several(bench, options.processes, options.count, options.rate_window),
            "handover": lambda: handover(bench, LATENCY, options.repeat, show, median_run),
            "fleet": lambda: fleet(bench, options.hosts, show),
        }
        verdicts = [section() for name, section in sections.items() if options.only in (None, name)]
    print("\nAll goals are met." if all(verdicts) else "\nNot all goals are met. Is the machine busy?")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
