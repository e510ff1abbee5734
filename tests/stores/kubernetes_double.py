# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A double of the Kubernetes API, as far as the store ``kubernetes`` uses it. It is no Kubernetes.

It knows Secrets (get, create, patch, dry runs, resource versions, ``immutable``), namespaces that exist or do not, one
login, and SelfSubjectAccessReview. What it answers, errors too, follows the API's documentation; nobody has compared it
with a cluster by these tests.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "a-login-for-tests"
NAMESPACE = "apps"
REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_SECRETS = re.compile(r"/api/v1/namespaces/([^/]+)/secrets(?:/([^/]+))?")
_PATCHES = ("application/merge-patch+json", "application/strategic-merge-patch+json")

Document = dict[str, Any]


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.document = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "code": code,
        }


class KubernetesDouble:
    """The server, and what tests change about it.

    :ivar secrets: The documents by namespace and name.
    :ivar refused: Verbs that the login must not use.
    :ivar reviews: Whether the login may ask for its rights.
    :ivar hanging: Whether requests get no answer, for as long as the server runs.
    :ivar failing: A status that each request is answered with.
    :ivar before_patch: Called before each change, as somebody else who is faster.
    :ivar asked: The requests, as ``"VERB name"``.
    """

    def __init__(self, folder: Path) -> None:
        self.secrets: dict[tuple[str, str], Document] = {}
        self.refused: set[str] = set()
        self.reviews = True
        self.hanging = False
        self.failing = 0
        self.asked: list[str] = []
        self._version = 100
        self._lock = threading.RLock()
        self._stopped = threading.Event()
        double = self

        class Handler(_Handler):
            api = double

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.kubeconfig = folder / "kubeconfig"
        self.write_kubeconfig(TOKEN)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def write_kubeconfig(self, token: str) -> None:
        """Write what clients are told by, in JSON, which is YAML too."""
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "double", "cluster": {"server": self.url}}],
            "users": [{"name": "tests", "user": {"token": token}}],
            "contexts": [{"name": "tests", "context": {"cluster": "double", "user": "tests"}}],
            "current-context": "tests",
        }
        self.kubeconfig.write_text(json.dumps(document))

    def before_patch(self, name: str) -> None:
        pass

    def put(self, name: str, data: dict[str, str], **more: Any) -> None:
        """Create a Secret, or set one anew, as somebody else does it."""
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        with self._lock:
            self._keep({"metadata": {"name": name, "namespace": NAMESPACE}, "data": encoded, **more})

    # -- what the API does -----------------------------------------------------------------------------------------

    def answer(self, verb: str, path: str, query: str, token: str, body: Any, content: str) -> Document:
        if self.hanging:
            self._stopped.wait(60)
        if self.failing:
            raise Refusal(self.failing, "InternalError", "the double fails, as wanted")
        if token != f"Bearer {TOKEN}":
            raise Refusal(401, "Unauthorized", "Unauthorized")
        if path == REVIEW and verb == "create":
            return self._review(body)
        match = _SECRETS.fullmatch(path)
        if not match:
            raise Refusal(404, "NotFound", "the server could not find the requested resource")
        namespace, name = match.group(1), match.group(2) or body["metadata"]["name"]
        dry = parse_qs(query).get("dryRun") == ["All"]
        self.asked.append(f"{verb} {name}{' (dry run)' if dry else ''}")
        if verb in self.refused:
            raise Refusal(
                403,
                "Forbidden",
                f'secrets "{name}" is forbidden: User "tests" cannot {verb} resource "secrets" in API group "" in the '
                f'namespace "{namespace}"',
            )
        if verb == "patch":
            self.before_patch(name)
        with self._lock:
            if verb == "create":
                return self._create(namespace, name, body, dry)
            found = self.secrets.get((namespace, name))
            if found is None:
                raise Refusal(404, "NotFound", f'secrets "{name}" not found')
            return found if verb == "get" else self._patch(found, name, body, content)

    def _review(self, body: Document) -> Document:
        if not self.reviews:
            raise Refusal(403, "Forbidden", "selfsubjectaccessreviews.authorization.k8s.io is forbidden")
        attributes = body["spec"]["resourceAttributes"]
        assert (attributes["resource"], attributes["namespace"]) == ("secrets", NAMESPACE)
        return {**body, "status": {"allowed": attributes["verb"] not in self.refused}}

    def _create(self, namespace: str, name: str, body: Document, dry: bool) -> Document:
        if namespace != NAMESPACE:
            raise Refusal(404, "NotFound", f'namespaces "{namespace}" not found')
        if (namespace, name) in self.secrets:
            raise Refusal(409, "AlreadyExists", f'secrets "{name}" already exists')
        _check(body)
        return body if dry else self._keep(body)

    def _patch(self, found: Document, name: str, body: Document, content: str) -> Document:
        if content not in _PATCHES:
            raise Refusal(415, "UnsupportedMediaType", "the body of the request was in an unknown format")
        version = body.get("metadata", {}).get("resourceVersion")
        if version not in (None, found["metadata"]["resourceVersion"]):
            raise Refusal(
                409,
                "Conflict",
                f'Operation cannot be fulfilled on secrets "{name}": the object has been modified; please apply your '
                "changes to the latest version and try again",
            )
        changed = _merged(found, body)
        _check(changed)
        if found.get("immutable") and changed["data"] != found["data"]:
            raise Refusal(422, "Invalid", f'Secret "{name}" is invalid: data: Forbidden: field is immutable')
        return found if changed == found else self._keep(changed)

    def _keep(self, document: Document) -> Document:
        self._version += 1
        metadata = {**document["metadata"], "resourceVersion": str(self._version)}
        kept = {"kind": "Secret", "apiVersion": "v1", "type": "Opaque", **document, "metadata": metadata}
        self.secrets[metadata["namespace"], metadata["name"]] = kept
        return kept


def _merged(found: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    merged = dict(found) if isinstance(found, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value)
    return merged


def _check(document: Document) -> None:
    for key, value in document.get("data", {}).items():
        if not re.fullmatch(r"[-._a-zA-Z0-9]{1,253}", key):
            raise Refusal(422, "Invalid", f'Secret is invalid: data[{key}]: Invalid value: "{key}"')
        base64.b64decode(value, validate=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer in one piece: the second one of two would wait for the client's acknowledgement.
    wbufsize = -1
    api: KubernetesDouble

    def do_GET(self) -> None:
        self._answer("get")

    def do_POST(self) -> None:
        self._answer("create")

    def do_PATCH(self) -> None:
        self._answer("patch")

    def _answer(self, verb: str) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        try:
            document = self.api.answer(
                verb,
                url.path,
                url.query,
                self.headers.get("Authorization", ""),
                json.loads(sent) if sent else None,
                self.headers.get("Content-Type", ""),
            )
            code = 201 if verb == "create" else 200
        except Refusal as refusal:
            document, code = refusal.document, refusal.code
        body = json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):  # whoever asked has given up
            self.wfile.write(body)
            self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        pass
