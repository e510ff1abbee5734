# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTTP side: a Flask application, the faults on the way to it, and a server that keeps connections open."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from itertools import count
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Rule
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from .api import Call
from .clock import Clock
from .errors import HTML, JSONAPI, Answer, html, in_shape, legacy
from .faults import Fault, Faults

CONTROL = "/_simulator/"
MAX_REQUEST = 32 * 1024 * 1024
KEPT_REQUESTS = 200_000
SUCCESS = {"POST": 201, "DELETE": 204}

Headers = list[tuple[str, str]]


class HangUp(Exception):
    """End the connection without an answer."""

    def __init__(self, reset: bool = False) -> None:
        super().__init__("the simulator ended the connection")
        self.reset = reset


@dataclass
class Request:
    """One entry in the log of requests.

    ``status`` is what the client got (None: no answer), and ``outcome`` the status of what the service did (None: it
    wasn't carried out). ``fault`` is the effect of the fault that hit it, ``body`` the JSON of a v2 request.
    """

    number: int
    connection: int
    time: datetime
    method: str
    path: str
    query: dict[str, str]
    operation: str | None
    body: Any = None
    key_id: str | None = None
    user_agent: str = ""
    status: int | None = None
    outcome: int | None = None
    fault: str | None = None


def without_secrets(value: object) -> object:
    """A JSON body to keep: whatever is named a secret is hidden."""
    if isinstance(value, dict):
        return {name: "(hidden)" if "secret" in name.lower() else without_secrets(item) for name, item in value.items()}
    if isinstance(value, list):
        return [without_secrets(item) for item in value]
    return value


class Handler(WSGIRequestHandler):
    """Connections stay open, without delays or an access log, and can be cut."""

    server: Server
    disable_nagle_algorithm = True
    wbufsize = -1
    connection_number = 0

    def setup(self) -> None:
        super().setup()
        self.connection_number = self.server.opened(self.connection)

    def finish(self) -> None:
        self.server.closed(self.connection)
        super().finish()

    def make_environ(self) -> dict[str, Any]:
        environ = super().make_environ()
        environ["simulator.handler"] = self
        return environ

    def run_wsgi(self) -> None:
        """Answer one request and leave the connection open for the next.

        Werkzeug's own version closes every connection, and pauses to read what is left of the body. Here, the
        application has always read the body, and its answers are complete and have a length.
        """
        if self.headers.get("Expect", "").strip().lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.wfile.flush()
        environ = self.make_environ()
        started: list[tuple[str, Headers]] = []

        def start_response(status: str, headers: Headers, _exc_info: object = None) -> Callable[[bytes], object]:
            started.append((status, headers))
            return self.wfile.write

        try:
            chunks = self.server.app(environ, start_response)
            try:
                body = b"".join(chunks)
            finally:
                getattr(chunks, "close", lambda: None)()
        except HangUp as hang_up:
            self.close_connection = True
            if hang_up.reset:
                self._reset()
            return
        except Exception:  # a bug in the simulator itself: show it, and let the client see a failure
            traceback.print_exc()
            self.close_connection = True
            started.append(("500 Internal Server Error", [("Content-Length", "0")]))
            body = b""
        status, headers = started[-1]
        code, _space, reason = status.partition(" ")
        self.send_response_only(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Detached, so that closing it here really closes it, without a polite goodbye first.
        self.server.closed(self.connection)
        os.close(self.connection.detach())

    def log(self, type: str, message: str, *args: object) -> None:
        if type == "error":
            super().log(type, message, *args)

    def log_request(self, code: object = "-", size: object = "-") -> None:
        pass


class Server(ThreadedWSGIServer):
    daemon_threads = True

    def __init__(self, host: str, port: int, gateway: Gateway, ssl_context: tuple[str, str] | None = None) -> None:
        self._gateway = gateway
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        # Werkzeug exits if it can't listen; this raises the OSError.
        with socket.create_server((host, port), backlog=128) as listener:
            port = listener.getsockname()[1]
            super().__init__(host, port, gateway.app, Handler, ssl_context=ssl_context, fd=listener.fileno())

    def opened(self, connection: socket.socket) -> int:
        """Remember a new connection and return its number."""
        with self._lock:
            self._open.add(connection)
            self._gateway.connections += 1
            return self._gateway.connections

    def closed(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing: connections die all the time in tests."""

    def stop(self) -> None:
        """End the loop and every connection that is still open."""
        # This wakes the loop at once; where a listening socket can't be shut down, the loop ends a moment later.
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.shutdown()
        self.server_close()
        with self._lock:
            left = list(self._open)
        for connection in left:
            with contextlib.suppress(OSError):  # it has gone already
                connection.shutdown(socket.SHUT_RDWR)


class MatchingRule(Rule):
    """A route that builds no URLs: compiling the code for that took longer than everything else."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        return lambda *_unused, **_arguments: ("", "")


class Gateway:
    """Takes every request: logs it, applies faults to it, and has it carried out."""

    def __init__(self, clock: Clock, faults: Faults) -> None:
        self.clock = clock
        self.faults = faults
        self.latency = 0.0
        self.connections = 0
        self.is_down = False
        self.stopping = threading.Event()
        self.operations: set[str] = set()
        self._numbers = count(1)
        self._lock = threading.Lock()
        self._requests: deque[Request] = deque(maxlen=KEPT_REQUESTS)
        self.app = Flask("simulator", static_folder=None)
        self.app.url_rule_class = MatchingRule
        self.app.config["PROPAGATE_EXCEPTIONS"] = True
        self.app.before_request(self._read_all)
        self.app.register_error_handler(HTTPException, self._no_route)

    def add(
        self, operation: str, method: str, path: str, carry_out: Callable[[Call], Answer], intake: bool = False
    ) -> None:
        """Serve an operation: ``carry_out`` takes a ``Call`` and returns an ``Answer``."""

        def view(**arguments: str) -> Response:
            return self._serve(operation, arguments, carry_out, intake)

        self.operations.add(operation)
        self.app.add_url_rule(path, operation, view, methods=[method], provide_automatic_options=False)

    def requests(self) -> list[Request]:
        with self._lock:
            return list(self._requests)

    def forget_requests(self) -> None:
        with self._lock:
            self._requests.clear()

    @staticmethod
    def _read_all() -> Response | None:
        """Read the whole body, since the next request on this connection starts after it."""
        if (request.content_length or 0) > MAX_REQUEST:
            request.environ["simulator.handler"].close_connection = True
            return Response(legacy(413, "Request body is too large.").body, 413, content_type="application/json")
        request.get_data()
        return None

    def _no_route(self, error: HTTPException) -> Response:
        note = self._note(None, None)
        text = "method not allowed" if error.code == 405 else "not found"
        return self._send(note, legacy(error.code or 500, text))

    def _note(self, call: Call | None, operation: str | None) -> Request:
        """Log the request, unless it is one to the controls; its outcome is filled in later."""
        note = Request(
            number=0,
            connection=request.environ["simulator.handler"].connection_number,
            time=self.clock.now(),
            method=request.method,
            path=request.path,
            query=request.args.to_dict(),
            operation=operation,
            user_agent=request.headers.get("User-Agent", ""),
        )
        if call is not None and request.path.startswith("/2/"):
            note.body = without_secrets(request.get_json(force=True, silent=True)) if call.body else None
        if not request.path.startswith(CONTROL):
            with self._lock:
                note.number = next(self._numbers)
                self._requests.append(note)
        return note

    def _send(self, note: Request, answer: Answer) -> Response:
        note.status = answer.status
        response = Response(answer.body, answer.status)
        # The body has set a Content-Length, which a truncated answer overrides.
        response.headers.update(answer.headers)
        if answer.content_type:
            response.headers["Content-Type"] = answer.content_type
        else:
            response.headers.pop("Content-Type", None)
        response.headers["Date"] = format_datetime(self.clock.now(), usegmt=True)
        response.headers["Server"] = "simulator"
        return response

    def _serve(
        self, operation: str, arguments: dict[str, str], carry_out: Callable[[Call], Answer], intake: bool
    ) -> Response:
        call = Call(
            method=request.method,
            path=request.path,
            operation=operation,
            arguments=arguments,
            query=request.args.to_dict(),
            headers={name.lower(): value for name, value in request.headers},
            body=request.get_data(),
        )
        note = self._note(call, operation)

        def outcome() -> Answer:
            answer = carry_out(call)
            note.key_id = call.key_id
            note.outcome = answer.status
            return answer

        if self.is_down and not intake:
            note.fault = "down"
            raise HangUp(reset=True)
        if self.latency and not intake:
            self.stopping.wait(self.latency)
        fault = self.faults.find(operation, call.method, intake)
        if fault is None:
            return self._send(note, outcome())
        note.fault = fault.effect
        return self._send(note, self._with_fault(fault, call, outcome))

    def _with_fault(self, fault: Fault, call: Call, outcome: Callable[[], Answer]) -> Answer:
        """What the client gets instead; raises ``HangUp`` if it gets nothing."""
        if fault.effect == "slow":
            self.stopping.wait(fault.delay)
            return outcome()
        if fault.effect == "late":
            timer = threading.Timer(fault.delay, outcome)
            timer.daemon = True
            timer.start()
            self.stopping.wait(fault.hold)
            raise HangUp()
        real = outcome() if fault.after else None
        if fault.effect == "down":
            self.is_down = True
        if fault.effect == "hang":
            self.stopping.wait(fault.delay)
        if fault.effect in ("reset", "close", "hang", "down"):
            raise HangUp(reset=fault.effect in ("reset", "down"))
        if fault.effect == "html":
            return html(200, "Welcome to the guest network")
        if fault.effect == "redirect":
            return Answer(302, headers={"Location": fault.location})
        if fault.effect == "status":
            answer = in_shape(fault.shape, fault.status, "the simulator was told to fail")
            if fault.retry_after is not None:
                answer.headers["Retry-After"] = fault.retry_after
            return answer
        status = real.status if real else SUCCESS.get(call.method, 200)
        body = real.body[: len(real.body) // 2] if real and real.body else b'{"data": {"id": "hcx'
        if fault.effect == "truncate":
            request.environ["simulator.handler"].close_connection = True
            return Answer(status, body, JSONAPI, {"Content-Length": str(len(body) + 100)})
        return Answer(status, b"" if status == 204 else body, HTML if status == 204 else JSONAPI)
