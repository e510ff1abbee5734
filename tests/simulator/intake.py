# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Event intake: events, batches and OTLP over HTTP, accepted or refused depending on the key's state."""

from __future__ import annotations

import json
import zlib
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from .api import Call, Operation
from .errors import Answer, answer, legacy
from .records import Key
from .store import Store

try:
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    MESSAGES: dict[str, Any] = {
        "otlpTraces": ExportTraceServiceRequest,
        "otlpLogs": ExportLogsServiceRequest,
        "otlpMetrics": ExportMetricsServiceRequest,
    }
except ImportError:
    # Without the package, a protobuf request counts as one item, no matter what it holds.
    MESSAGES = {}

UNKNOWN = "unknown"
KEPT_REFUSALS = 100_000
MAX_EVENT = 1_000_000
MAX_DECODED = 64 * 1024 * 1024
PROTOBUF = "application/x-protobuf"
# How items are nested: resources, then scopes, then the items (the points of metrics are one level deeper).
NESTING: dict[str, Any] = {
    "otlpTraces": ("resource_spans", "scope_spans", "spans"),
    "otlpLogs": ("resource_logs", "scope_logs", "log_records"),
    "otlpMetrics": ("resource_metrics", "scope_metrics", "metrics"),
}
METRIC_KINDS = ("gauge", "sum", "histogram", "exponential_histogram", "summary")


class Unreadable(Exception):
    """The body can't be decoded."""


class Refusal(NamedTuple):
    """Something that was not accepted; ``key_id`` is ``unknown`` if no key has ever had that value."""

    key_id: str
    reason: str
    time: datetime


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


def _children(node: Any, name: str) -> Any:
    """A member of a protobuf message or of its JSON form."""
    if isinstance(node, dict):
        return node.get(_camel(name), node.get(name, ()))
    return getattr(node, name)


def count_otlp(operation: str, body: object) -> int:
    """The number of spans, log records or metric points in an export request."""
    items = [body]
    for name in NESTING[operation]:
        items = [child for item in items for child in _children(item, name)]
    if operation != "otlpMetrics":
        return len(items)
    kinds = [_children(item, kind) or {} for item in items for kind in METRIC_KINDS]
    return sum(len(_children(kind, "data_points")) for kind in kinds)


class Intake:
    def __init__(self, store: Store) -> None:
        self.store = store
        self._tallies: dict[str, dict[str, int]] = {}
        self._refusals: deque[Refusal] = deque(maxlen=KEPT_REFUSALS)
        self.operations = {
            "createEvent": Operation("POST", "/1/events/<dataset>", self.create_event),
            "createEvents": Operation("POST", "/1/batch/<dataset>", self.create_events),
            "otlpTraces": Operation("POST", "/v1/traces", self.otlp),
            "otlpLogs": Operation("POST", "/v1/logs", self.otlp),
            "otlpMetrics": Operation("POST", "/v1/metrics", self.otlp),
        }

    def tallies(self) -> dict[str, dict[str, int]]:
        """``{key id: {"accepted": n, "refused": n}}``"""
        with self.store.lock:
            return {key_id: dict(tally) for key_id, tally in self._tallies.items()}

    def refusals(self) -> list[Refusal]:
        with self.store.lock:
            return list(self._refusals)

    def _tally(self, key_id: str, accepted: int, refused: int, reason: str = "") -> None:
        with self.store.lock:
            tally = self._tallies.setdefault(key_id, {"accepted": 0, "refused": 0})
            tally["accepted"] += accepted
            tally["refused"] += refused
            if reason:
                self._refusals.append(Refusal(key_id, reason, self.store.clock.now()))

    def _check_key(self, call: Call, items: int) -> tuple[str, str | None]:
        """The id to count under, and why this key may not send, if it may not. A refusal is counted here."""
        key, reason = self.store.check_value(call.headers.get("x-honeycomb-team", ""))
        key_id = call.key_id = key.id if key else UNKNOWN
        if reason is None and not (key and self._may_send(key)):
            reason = "no permission to send events"
        if reason is not None:
            self._tally(key_id, 0, items, reason)
        return key_id, reason

    @staticmethod
    def _may_send(key: Key) -> bool:
        return key.key_type == "ingest" or key.permissions["send_events"]

    @staticmethod
    def _decoded(call: Call) -> bytes:
        encoding = call.headers.get("content-encoding", "identity").strip().lower()
        if encoding in ("", "identity"):
            return call.body
        if encoding not in ("gzip", "deflate"):
            raise Unreadable(f"unsupported content encoding {encoding}")
        try:
            # 32: gzip or zlib, depending on the header of the data.
            unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
            body = unpacker.decompress(call.body, MAX_DECODED)
        except zlib.error:
            raise Unreadable(f"invalid {encoding} data") from None
        if not unpacker.eof:
            raise Unreadable(f"invalid {encoding} data")
        return body

    @classmethod
    def _json(cls, call: Call) -> Any:
        body = cls._decoded(call)
        if not body.strip():
            raise Unreadable("Request body should not be empty.")
        try:
            return json.loads(body)
        except ValueError:
            raise Unreadable("Request body is malformed and cannot be read.") from None

    @staticmethod
    def _read(call: Call, read: Callable[[Call], tuple[Any, int]]) -> tuple[Any, int, str | None]:
        """The body, the number of items in it (1 if it can't be read), and what is wrong with it, if anything."""
        try:
            body, items = read(call)
        except Unreadable as wrong:
            return None, 1, str(wrong)
        return body, items, None

    # Honeycomb's own formats

    def create_event(self, call: Call) -> Answer:
        body, items, wrong = self._read(call, lambda seen: (self._json(seen), 1))
        key_id, refusal = self._check_key(call, items)
        if refusal:
            return legacy(401, "unknown API key - check your credentials")
        if wrong is None and not isinstance(body, dict):
            wrong = "Request body is malformed and cannot be read."
        elif wrong is None and not body:
            wrong = "Request body should not be empty."
        elif len(call.body) > MAX_EVENT:
            wrong = "Request body is too large."
        if wrong is not None:
            self._tally(key_id, 0, items, wrong)
            return legacy(400, wrong)
        self._tally(key_id, 1, 0)
        return Answer(200)

    def create_events(self, call: Call) -> Answer:
        def read(seen: Call) -> tuple[list[Any], int]:
            body = self._json(seen)
            if not isinstance(body, list):
                raise Unreadable("Request body is malformed and cannot be read.")
            return body, len(body)

        events, items, wrong = self._read(call, read)
        key_id, refusal = self._check_key(call, items)
        if refusal:
            return legacy(401, "unknown API key - check your credentials")
        if wrong is not None:
            self._tally(key_id, 0, items, wrong)
            return legacy(400, wrong)
        results: list[dict[str, Any]] = []
        for event in events:
            good = isinstance(event, dict) and isinstance(event.get("data"), dict) and event["data"]
            results.append({"status": 202} if good else {"status": 400, "error": "Request body should not be empty."})
        accepted = sum(result["status"] == 202 for result in results)
        reason = "an event without data" if accepted < items else ""
        self._tally(key_id, accepted, items - accepted, reason)
        return answer(200, results)

    # OTLP over HTTP

    def otlp(self, call: Call) -> Answer:
        media_type = call.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type not in (PROTOBUF, "application/protobuf", "application/json"):
            return legacy(415, "unsupported content type")
        as_json = media_type == "application/json"
        _body, items, wrong = self._read(call, self._read_json if as_json else self._read_protobuf)
        key_id, refusal = self._check_key(call, items)
        if refusal:
            return self._otlp_status(as_json, 401, 16, "unknown API key - check your credentials")
        if wrong is not None:
            self._tally(key_id, 0, items, wrong)
            return self._otlp_status(as_json, 400, 3, wrong)
        self._tally(key_id, items, 0)
        # An empty message: everything was accepted.
        return answer(200, {}) if as_json else Answer(200, b"", PROTOBUF)

    def _read_json(self, call: Call) -> tuple[Any, int]:
        body = self._json(call)
        try:
            return body, count_otlp(call.operation, body)
        except (AttributeError, TypeError):
            raise Unreadable("Request body is not an OTLP export request.") from None

    def _read_protobuf(self, call: Call) -> tuple[Any, int]:
        body = self._decoded(call)
        if call.operation not in MESSAGES:
            return body, 1
        message = MESSAGES[call.operation]()
        try:
            message.ParseFromString(body)
        except Exception:  # the library's own DecodeError; its module depends on the library's version
            raise Unreadable("Request body is malformed and cannot be read.") from None
        return message, count_otlp(call.operation, message)

    @staticmethod
    def _otlp_status(as_json: bool, status: int, code: int, text: str) -> Answer:
        """The error as a google.rpc.Status: field 1 is its code, field 2 its message."""
        if as_json:
            return answer(status, {"code": code, "message": text})
        message = text.encode()
        return Answer(status, bytes([0x08, code, 0x12, len(message)]) + message, PROTOBUF)
