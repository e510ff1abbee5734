# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rotate a Honeycomb ingest key under a running application, and show that not one event was refused.

Everything is real but Honeycomb: the collection is built and installed as a user gets it, the application sends with
the OpenTelemetry SDK, and ansible-playbook runs the role. The project's simulator plays the part of Honeycomb.
The exit code is 0 only if nothing was refused and both keys are in the right state.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

DEMO = Path(__file__).resolve().parent
sys.path.insert(0, str(DEMO.parent / "tests"))

from simulator import Simulator  # noqa: E402
from tools.workspace import build, clean_environment, install, stage  # noqa: E402

NAME = "demo-sender"
ENVIRONMENT = "demo"
GRACE = timedelta(hours=48)  # the role's default
SENDING_AFTERWARDS = 2  # seconds


def say(text: str) -> None:
    print(text, flush=True)


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"Gave up after {seconds:.0f} s: {what}.")
        time.sleep(0.1)


@contextmanager
def running(command: list[str], env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that ends when its standard input is closed; on exit from the context, it is gone in any case."""
    process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE)
    try:
        yield process
    finally:
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(timeout=10)
        finally:
            process.kill()


def rotate(env: dict[str, str], key_file: Path, status_file: Path) -> int:
    """Run the playbook as a user would; return its exit code."""
    extra_vars = json.dumps({"demo_key_file": str(key_file), "demo_status_file": str(status_file)})
    command = [sys.executable, "-m", "ansible", "playbook", str(DEMO / "rotate.yml"), "--extra-vars", extra_vars]
    process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL)
    try:
        return process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def demo(work: Path) -> bool:
    say("Building and installing the collection ...")
    collections = work / "collections"
    install(build(stage(work / "source"), work), collections)

    with Simulator() as sim:
        sim.add_environment(ENVIRONMENT)
        old = sim.add_key(name=NAME, key_type="ingest", environment=ENVIRONMENT, permissions={"create_datasets": True})
        key_file, status_file = work / "key", work / "sender.status"
        key_file.touch(mode=0o600)
        key_file.write_text(old.value)
        env = clean_environment(
            work,
            ANSIBLE_COLLECTIONS_PATH=str(collections),
            ANSIBLE_DISPLAY_SKIPPED_HOSTS="False",
            **sim.environment_variables(),
        )

        say("Starting the application that sends telemetry ...")
        sender_command = [sys.executable, str(DEMO / "sender.py"), sim.url, str(key_file), str(status_file)]
        with running(sender_command, clean_environment(work)) as sender:
            wait_until(lambda: sim.accepted > 0 or sender.poll() is not None, "no event arrived")
            before = status_file.read_text()

            say("Rotating its key: ansible-playbook demo/rotate.yml")
            rc = rotate(env, key_file, status_file)
            time.sleep(SENDING_AFTERWARDS)
            still_sending = sender.poll() is None
            after = status_file.read_text()

        return summary(sim, old.id, before, after, rc == 0 and still_sending)


def summary(sim: Simulator, old_id: str, before: str, after: str, ran: bool) -> bool:
    """Print how it ended; return whether it ended as it should."""
    old = sim.key(old_id)
    current = [key for key in sim.keys(name=NAME, environment=ENVIRONMENT) if not key.disabled]

    def events(key_id: str) -> int:
        accepted: int = sim.events.get(key_id, {}).get("accepted", 0)
        return accepted

    if old is None:
        state = "deleted"
    elif old.disabled:
        state = f"disabled; a run after {old.updated + GRACE:%Y-%m-%d %H:%M} UTC deletes it"
    else:
        state = "still enabled"
    say(
        "\n".join(
            [
                "",
                "Summary",
                f"  key in use before   {before}   {events(before)} events accepted",
                f"  key in use after    {after}   {events(after)} events accepted",
                f"  events              {sim.accepted} accepted, {sim.refused} refused",
                f"  old key             {state}",
            ]
        )
    )
    good = (
        ran
        and before == old_id
        and after != old_id
        and [key.id for key in current] == [after]
        and old is not None
        and old.disabled
        and events(after) > 0
        and sim.refused == 0
    )
    say("The key was rotated without an outage." if good else "The demo did not end as it should; see above.")
    return good


def main() -> int:
    # A request to end counts as an interruption: everything started is stopped, and the temporary folder removed.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory(prefix="honeycomb-demo-") as work:
            return 0 if demo(Path(work)) else 1
    except KeyboardInterrupt:
        say("Interrupted: the demo has cleaned up after itself.")
        return 130


if __name__ == "__main__":
    sys.exit(main())
