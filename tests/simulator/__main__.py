# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start a simulator by hand: ``python -m simulator``."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import shlex
import signal
import sys
import threading

from .core import Simulator
from .limits import RETRY_AFTER_FORMS


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="simulator", description="Simulate Honeycomb on this machine.")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS", help="delay of every answer")
    parser.add_argument("--rate-limit", type=int, metavar="N", help="requests per window (default: no limit)")
    parser.add_argument(
        "--rate-window", type=float, default=60.0, metavar="SECONDS", help="length of the window (default: 60)"
    )
    parser.add_argument(
        "--retry-after",
        choices=RETRY_AFTER_FORMS,
        default="http-date",
        help="format of Retry-After (default: http-date)",
    )
    parser.add_argument(
        "--propagation", type=float, default=0.0, metavar="SECONDS", help="time until a change to a key takes effect"
    )
    parser.add_argument("--region", default="x", metavar="LETTER", help="third character of all ids (default: x)")
    parser.add_argument("--keys", type=int, default=0, metavar="N", help="ingest keys to start with")
    parser.add_argument(
        "--ready-file",
        metavar="PATH",
        help="once listening, write url, team and exports to this file as JSON (mode 0600)",
    )
    return parser.parse_args()


def write_ready_file(path: str, simulator: Simulator) -> None:
    """Write the file and move it into place, so that readers see all of it or nothing."""
    content = {"url": simulator.url, "team": simulator.team, "exports": simulator.environment_variables()}
    unfinished = f"{path}.{os.getpid()}"
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(content, file)
    os.replace(unfinished, path)


def main() -> int:
    arguments = parse_arguments()
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_unused: ended.set())
    simulator = Simulator(
        port=arguments.port,
        latency=arguments.latency,
        rate_limit=(arguments.rate_limit, arguments.rate_window) if arguments.rate_limit else None,
        retry_after=arguments.retry_after,
        region=arguments.region,
    )
    simulator.propagation = arguments.propagation
    simulator.add_keys(arguments.keys)
    try:
        simulator.start()
    except (OSError, OverflowError) as error:
        print(f"Cannot listen on port {arguments.port}: {error}. Choose another port with --port.", file=sys.stderr)
        return 1
    with simulator, contextlib.ExitStack() as leftovers:
        if arguments.ready_file:
            write_ready_file(arguments.ready_file, simulator)
            leftovers.callback(pathlib.Path(arguments.ready_file).unlink, missing_ok=True)
        print(f"Simulated Honeycomb at {simulator.url}, team {simulator.team}. Press Ctrl-C to stop.\n")
        for name, value in simulator.environment_variables().items():
            print(f"export {name}={shlex.quote(value)}")
        print(flush=True)
        ended.wait()
        counted = f"{simulator.accepted} events accepted, {simulator.refused} refused"
        print(f"Stopped after {len(simulator.requests)} requests, {counted}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
