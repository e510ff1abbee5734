# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures of the unit tests: modules called in this process, which is quick, and a search for secrets."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from ansible.module_utils import basic
from ansible.module_utils.common import warnings
from hypothesis import HealthCheck, settings

from tools.leaks import leaked

# The same examples everywhere, on machines of any speed, and no files left behind.
settings.register_profile(
    "honeycomb", database=None, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("honeycomb")

MODULES = "ansible_collections.community.honeycomb.plugins.modules"


class Result(dict):
    """What a module returned; ``output`` is everything that it printed."""

    output: str


@pytest.fixture
def leaks() -> Callable[..., list[str]]:
    """See ``tools.leaks.leaked``."""
    return leaked


@pytest.fixture
def call_module(sim: Any, tmp_path: Any) -> Callable[..., Result]:
    """Call a module of the collection in this process, against the simulator."""

    def call(
        name: str, args: dict[str, Any] | None = None, *, check: bool = False, env: dict[str, str] | None = None
    ) -> Result:
        """Return the result, of a failure too. ``env`` replaces the HONEYCOMB variables that lead to the simulator."""
        arguments = {
            **(args or {}),
            "_ansible_check_mode": check,
            "_ansible_diff": True,
            "_ansible_remote_tmp": str(tmp_path),
            "_ansible_module_name": f"community.honeycomb.{name}",
        }
        module = importlib.import_module(f"{MODULES}.{name}")
        collected: Any
        for collected in (warnings._global_warnings, warnings._global_deprecations):
            collected.clear()
        stdout, stderr = io.StringIO(), io.StringIO()
        with (
            mock.patch.object(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()),
            mock.patch.object(basic, "_ANSIBLE_PROFILE", "legacy", create=True),
            mock.patch.dict(os.environ, sim.environment_variables() if env is None else env),
            contextlib.redirect_stdout(stdout),
            contextlib.redirect_stderr(stderr),
            pytest.raises(SystemExit),
        ):
            module.main()
        result = Result(json.loads(stdout.getvalue()))
        result.output = stdout.getvalue() + stderr.getvalue()
        assert "Traceback" not in result.output
        result.pop("invocation", None)
        return result

    return call


class RawServer:
    """A server that answers with given bytes, for what no framework would send.

    ``reply`` is called with the number of the request (from 1) and its text, and returns the whole answer; None, or an
    answer that says ``Connection: close``, ends the connection.
    """

    def __init__(self, reply: Callable[[int, str], bytes | None]) -> None:
        self.reply = reply
        self.seen: list[str] = []
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection = self._socket.accept()[0]
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as reader:
            while head := self._request(reader):
                self.seen.append(head)
                answer = self.reply(len(self.seen), head)
                if answer is not None:
                    connection.sendall(answer)
                if answer is None or b"connection: close" in answer.lower():
                    return

    @staticmethod
    def _request(reader: Any) -> str:
        head = b""
        while (line := reader.readline()) not in (b"", b"\r\n"):
            head += line
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        return (head + (reader.read(int(length.group(1))) if length else b"")).decode("latin-1")

    def close(self) -> None:
        # Wakes the thread that waits in accept().
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def raw_server() -> Iterator[Callable[..., RawServer]]:
    """Start servers that answer with given bytes: always the same ones, or what a function says."""
    servers: list[RawServer] = []

    def start(reply: bytes | Callable[[int, str], bytes | None]) -> RawServer:
        servers.append(RawServer(reply if callable(reply) else lambda number, request: reply))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def http_answer(
    body: Any = b"", status: int = 200, media_type: str = "application/vnd.api+json", **headers: str
) -> bytes:
    """A whole answer; a body that is not bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"Content-Type": media_type, "Content-Length": str(len(content)), **headers}
    lines = [f"HTTP/1.1 {status} Whatever"] + [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


@pytest.fixture(name="http_answer")
def _http_answer() -> Callable[..., bytes]:
    return http_answer


# How many times faster waits pass with quick_waits
FASTER = 20


@pytest.fixture
def quick_waits(monkeypatch: pytest.MonkeyPatch) -> int:
    """Back-off and settling pass this many times faster, on a clock that runs faster as well."""

    # Not importable yet when pytest loads this file.
    from ansible_collections.community.honeycomb.plugins.module_utils._http import pacing as _pacing
    from ansible_collections.community.honeycomb.plugins.module_utils._http import transport as _transport

    def budget(max_wait: float) -> _pacing.WaitBudget:
        return _pacing.WaitBudget(
            max_wait, clock=lambda: time.monotonic() * FASTER, sleep=lambda seconds: time.sleep(seconds / FASTER)
        )

    monkeypatch.setattr(_transport, "WaitBudget", budget)
    return FASTER
