# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Event intake, byte by byte; real senders are tried in another file."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import requests
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from simulator import Simulator

if TYPE_CHECKING:
    from simulator_tests.conftest import Client

Post = Callable[..., requests.Response]

PROTOBUF = "application/x-protobuf"


@pytest.fixture(name="post")
def fixture_post(client: Client) -> Post:
    def post(path: str, value: str | None, body: Any, **headers: Any) -> requests.Response:
        headers = {name.replace("_", "-"): text for name, text in headers.items()}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "X-Honeycomb-Team": value, "Authorization": None, **headers}
        return client("POST", path, data=data, headers=headers)

    return post


def spans(count: int) -> dict[str, Any]:
    return {"resourceSpans": [{"scopeSpans": [{"spans": [{"name": f"s{n}"} for n in range(count)]}]}]}


def test_batch_counts_each_event(sim: Simulator, post: Post) -> None:
    key = sim.add_key()
    response = post("/1/batch/tests", key.value, [{"data": {"a": 1}}, {"data": {}}, {"data": {"b": 2}}])
    assert response.status_code == 200
    assert [item["status"] for item in response.json()] == [202, 400, 202]
    assert sim.events == {key.id: {"accepted": 2, "refused": 1}}


@pytest.mark.parametrize("path", ["/1/events/tests", "/1/batch/tests"])
@pytest.mark.parametrize("body", [b"", b"{", b"7"])
def test_unreadable_events(sim: Simulator, post: Post, path: str, body: bytes) -> None:
    key = sim.add_key()
    response = post(path, key.value, body)
    assert response.status_code == 400
    assert response.json()["error"]
    assert (sim.accepted, sim.refused) == (0, 1)


@pytest.mark.parametrize("pack, name", [(gzip.compress, "gzip"), (zlib.compress, "deflate")])
def test_packed_bodies(sim: Simulator, post: Post, pack: Callable[[bytes], bytes], name: str) -> None:
    key = sim.add_key()
    body = pack(json.dumps([{"data": {"a": 1}}] * 5).encode())
    assert post("/1/batch/tests", key.value, body, Content_Encoding=name).status_code == 200
    assert post("/1/batch/tests", key.value, body[:-6], Content_Encoding=name).status_code == 400
    assert sim.events[key.id] == {"accepted": 5, "refused": 1}
    assert post("/1/batch/tests", key.value, body, Content_Encoding="br").status_code == 400


def test_refused_keys_are_counted_with_what_they_sent(sim: Simulator, post: Post, client: Client) -> None:
    disabled = sim.add_key(disabled=True)
    deleted = sim.add_key()
    client("DELETE", f"api-keys/{deleted.id}")
    mute = sim.add_key(key_type="configuration")
    loud = sim.add_key(key_type="configuration", permissions={"send_events": True})
    batch = [{"data": {"a": 1}}] * 3
    answers = [
        post("/1/batch/t", value, batch).status_code
        for value in (disabled.value, deleted.value, mute.value, loud.value, "made up")
    ]
    assert answers == [401, 401, 401, 200, 401]
    assert sim.events == {
        disabled.id: {"accepted": 0, "refused": 3},
        deleted.id: {"accepted": 0, "refused": 3},
        mute.id: {"accepted": 0, "refused": 3},
        loud.id: {"accepted": 3, "refused": 0},
        "unknown": {"accepted": 0, "refused": 3},
    }
    assert (sim.accepted, sim.refused) == (3, 12)
    assert [(refusal.key_id, refusal.reason) for refusal in sim.refusals] == [
        (disabled.id, "disabled"),
        (deleted.id, "deleted"),
        (mute.id, "no permission to send events"),
        ("unknown", "unknown"),
    ]


@pytest.mark.parametrize("packed", [False, True])
def test_otlp_protobuf(sim: Simulator, post: Post, packed: bool) -> None:
    key = sim.add_key()
    traces = ExportTraceServiceRequest()
    for _unused in range(2):
        scope = traces.resource_spans.add().scope_spans.add()
        for _again in range(3):
            scope.spans.add(name="s")
    logs = ExportLogsServiceRequest()
    logs.resource_logs.add().scope_logs.add().log_records.add()
    metrics = ExportMetricsServiceRequest()
    measured = metrics.resource_metrics.add().scope_metrics.add().metrics
    measured.add(name="g").gauge.data_points.add(as_int=1)
    histogram = measured.add(name="h").histogram
    histogram.data_points.add()
    histogram.data_points.add()
    expected = 0
    for path, message, items in (("traces", traces, 6), ("logs", logs, 1), ("metrics", metrics, 3)):
        body = message.SerializeToString()
        headers = {"Content_Type": PROTOBUF}
        if packed:
            body = gzip.compress(body)
            headers["Content_Encoding"] = "gzip"
        response = post(f"/v1/{path}", key.value, body, **headers)
        assert (response.status_code, response.headers["Content-Type"]) == (200, PROTOBUF)
        ExportTraceServiceResponse.FromString(response.content)
        expected += items
        assert sim.events[key.id] == {"accepted": expected, "refused": 0}


def test_otlp_json(sim: Simulator, post: Post) -> None:
    key = sim.add_key()
    assert post("/v1/traces", key.value, spans(4)).json() == {}
    points = {"sum": {"dataPoints": [{"asInt": "1"}, {"asInt": "2"}]}}
    assert post("/v1/metrics", key.value, {"resourceMetrics": [{"scopeMetrics": [{"metrics": [points]}]}]}).ok
    records: dict[str, Any] = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{}]}]}]}
    assert post("/v1/logs", key.value, records).ok
    assert sim.events[key.id] == {"accepted": 7, "refused": 0}


def test_otlp_refusals(sim: Simulator, post: Post) -> None:
    key = sim.add_key(disabled=True)
    response = post("/v1/traces", key.value, spans(4))
    assert (response.status_code, response.json()["code"]) == (401, 16)
    response = post("/v1/traces", key.value, b"", Content_Type=PROTOBUF)
    assert (response.status_code, response.headers["Content-Type"]) == (401, PROTOBUF)
    assert b"unknown API key" in response.content
    assert sim.refused == 4  # an empty export has nothing to refuse
    good = sim.add_key()
    assert post("/v1/traces", good.value, b"\xff\xff", Content_Type=PROTOBUF).status_code == 400
    assert post("/v1/traces", good.value, [1]).status_code == 400
    assert post("/v1/traces", good.value, b"x", Content_Type="text/plain").status_code == 415


def test_values_of_keys_are_not_kept_in_the_log(sim: Simulator, post: Post) -> None:
    key = sim.add_key()
    post("/1/events/tests", key.value, {"key": key.value})
    (entry,) = sim.requests
    assert (entry.operation, entry.key_id, entry.status) == ("createEvent", key.id, 200)
    assert key.secret not in repr(entry)
