# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The simulator as a command, and its controls from another process."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from simulator import Simulator

Start = Callable[..., tuple["subprocess.Popen[str]", Path]]

TESTS = Path(__file__).resolve().parent.parent


@pytest.fixture(name="start")
def fixture_start(tmp_path: Path) -> Iterator[Start]:
    """Starts the command and waits until it is ready; ends what is left."""
    processes = []

    def start(*arguments: str) -> tuple[subprocess.Popen[str], Path]:
        ready = tmp_path / "ready.json"
        process = subprocess.Popen(
            [sys.executable, "-m", "simulator", "--ready-file", str(ready), *arguments],
            cwd=TESTS,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        deadline = time.monotonic() + 20
        while not ready.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        return process, ready

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_starts_prints_exports_and_ends_cleanly(start: Start, number: signal.Signals) -> None:
    process, ready = start("--rate-limit", "7", "--rate-window", "30")
    assert stat.S_IMODE(os.stat(ready).st_mode) == 0o600
    known = json.loads(ready.read_text())
    exports = known["exports"]
    headers = {"Authorization": f"Bearer {exports['HONEYCOMB_KEY_ID']}:{exports['HONEYCOMB_KEY_SECRET']}"}
    response = requests.get(exports["HONEYCOMB_API_ENDPOINT"] + "/2/auth", headers=headers, timeout=5)
    assert (response.status_code, response.headers["RateLimitPolicy"]) == (200, "7;w=30")
    process.send_signal(number)
    output, errors = process.communicate(timeout=10)
    assert process.returncode == 0
    assert errors == ""
    for name, value in exports.items():
        assert f"export {name}={value}\n" in output
    assert not ready.exists()


def test_port_in_use_is_said_in_one_line(start: Start, sim: Simulator) -> None:
    process, _ready = start("--port", str(sim.port))
    _output, errors = process.communicate(timeout=10)
    assert process.returncode == 1
    assert str(sim.port) in errors and "--port" in errors
    assert errors.count("\n") == 1


def test_controls_drive_a_simulator_in_another_process(start: Start) -> None:
    _process, ready = start("--keys", "2")
    known = json.loads(ready.read_text())
    url = known["url"]
    exports = known["exports"]
    authorization = {"Authorization": f"Bearer {exports['HONEYCOMB_KEY_ID']}:{exports['HONEYCOMB_KEY_SECRET']}"}

    def control(method: str, path: str, **body: Any) -> Any:
        response = requests.request(method, f"{url}/_simulator/{path}", json=body or None, timeout=5)
        return response.json() if response.content else response.status_code

    def status() -> int:
        return requests.get(url + "/2/auth", headers=authorization, timeout=5).status_code

    before = control("GET", "state")
    assert (len(before["keys"]), before["requests"]) == (2, 0)
    assert control("POST", "faults", effect="status", status=500, operation="getV2Auth")["hits"] == 0
    assert [status(), status()] == [500, 200]
    assert control("GET", "faults")[0]["hits"] == 1
    assert control("DELETE", "faults") == 204 and control("GET", "faults") == []
    control("POST", "down")
    with pytest.raises(requests.ConnectionError):
        status()
    control("POST", "up")
    assert status() == 200
    old = control("POST", "keys", name="old", created="2025-01-01T00:00:00Z", environment="staging")
    assert (old["created"], old["environment"], "secret" in old) == ("2025-01-01T00:00:00Z", "staging", False)
    assert control("POST", "advance", seconds=86400)["now"] > before["now"]
    assert control("POST", "settings", propagation=5, rate_limit=[2, 60])["rate_limit"] == [2, 60]
    assert [status(), status(), status()] == [200, 200, 429]
    requests.post(url + "/1/events/x", json={"a": 1}, headers={"X-Honeycomb-Team": "nobody"}, timeout=5)
    events = control("GET", "events")
    assert (events["refused"], events["refusals"][0]["reason"]) == (1, "unknown")
    log = control("GET", "requests")
    assert [entry["operation"] for entry in log] == ["getV2Auth"] * 7 + ["createEvent"]
    assert control("DELETE", "requests") == 204 and control("GET", "requests") == []
    for path, body in (
        ("faults", {"effect": "explode"}),
        ("faults", {"effect": "reset", "colour": "red"}),
        ("settings", {"speed": 1}),
        ("keys", {"created": "yesterday"}),
        ("keys", {"environment": "nowhere"}),
        ("advance", {"seconds": "soon"}),
    ):
        assert list(control("POST", path, **body)) == ["error"]
