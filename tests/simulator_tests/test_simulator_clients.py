# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clients that others wrote, against the simulator: they know the real service."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import libhoney
import pytest
from honeycomb import HoneycombClient, IngestKey
from honeycomb.exceptions import (
    HoneycombAPIError,
    HoneycombAuthError,
    HoneycombNotFoundError,
    HoneycombRateLimitError,
)
from honeycomb.models.api_keys import ApiKeyUpdateRequest, ConfigurationKey
from honeycomb.models.environments import CreateEnvironmentRequest, UpdateEnvironmentRequest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from simulator import Simulator


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(name="manager")
def fixture_manager(sim: Simulator) -> Iterator[HoneycombClient]:
    key_id, secret = sim.management
    with HoneycombClient(
        management_key=key_id, management_secret=secret, base_url=sim.url, sync=True, max_retries=0
    ) as manager:
        yield manager


# honeycomb-api: management


def key_update(key_id: str, attributes: dict[str, Any]) -> ApiKeyUpdateRequest:
    data = {"id": key_id, "type": "api-keys", "attributes": attributes}
    return ApiKeyUpdateRequest.model_validate({"data": data})


def test_life_of_an_ingest_key(sim: Simulator, manager: HoneycombClient) -> None:
    place = sim.environments[1]["id"]
    request = IngestKey(key_type="ingest", name="from outside", permissions={"create_datasets": True})
    created = manager.api_keys.create(request, environment_id=place)
    value = created.id + created.attributes.secret
    assert sim.key(created.id).value == value

    found = manager.api_keys.get(created.id)
    assert (found.name, found.environment_id, found.disabled) == ("from outside", place, False)
    assert found.timestamps.created is not None
    attributes = {"name": "renamed", "disabled": True}
    assert manager.api_keys.update(key_update(created.id, attributes)).name == "renamed"
    assert sim.key(created.id).disabled
    manager.api_keys.delete(created.id)
    with pytest.raises(HoneycombNotFoundError):
        manager.api_keys.get(created.id)


def test_permissions_of_a_configuration_key(sim: Simulator, manager: HoneycombClient) -> None:
    place = sim.environments[0]["id"]
    request = ConfigurationKey(key_type="configuration", name="c", permissions={"send_events": True})
    created = manager.api_keys.create(request, environment_id=place)
    manager.api_keys.update(key_update(created.id, {"permissions": {"run_queries": True}}))
    after = sim.key(created.id).permissions
    assert sorted(name for name in after if after[name]) == ["run_queries", "send_events"]


def test_lists_follow_all_pages(sim: Simulator, manager: HoneycombClient) -> None:
    sim.add_keys(230)
    sim.add_keys(7, key_type="configuration")
    assert len({key.id for key in manager.api_keys.list()}) == 237
    assert len(manager.api_keys.list(key_type="configuration")) == 7
    sizes = [entry.query["page[size]"] for entry in sim.requests if entry.operation == "listApiKeys"]
    assert sizes == ["100"] * 4


def test_life_of_an_environment(sim: Simulator, manager: HoneycombClient) -> None:
    data = {"type": "environments", "attributes": {"name": "Made Outside", "color": "red"}}
    made = manager.environments.create(CreateEnvironmentRequest.model_validate({"data": data}))
    assert (made.slug, sim.environments[-1]["color"]) == ("made-outside", "red")
    assert len(manager.environments.list()) == 3
    with pytest.raises(HoneycombAPIError) as caught:
        manager.environments.delete(made.id)
    assert caught.value.status_code == 409
    data = {"id": made.id, "type": "environments", "attributes": {"settings": {"delete_protected": False}}}
    manager.environments.update(made.id, UpdateEnvironmentRequest.model_validate({"data": data}))
    manager.environments.delete(made.id)
    assert len(sim.environments) == 2


def test_errors_are_understood(sim: Simulator, manager: HoneycombClient) -> None:
    with (
        HoneycombClient(
            management_key=sim.management[0], management_secret="wrong", base_url=sim.url, sync=True, max_retries=0
        ) as stranger,
        pytest.raises(HoneycombAuthError),
    ):
        stranger.api_keys.list()
    sim.rate_limit = (1, 60)
    manager.api_keys.list()
    with pytest.raises(HoneycombRateLimitError) as caught:
        manager.api_keys.list()
    assert 50 <= caught.value.retry_after <= 61


# Senders


def test_libhoney(sim: Simulator) -> None:
    good, bad = sim.add_key(), sim.add_key(disabled=True)
    seen = {}
    for key in (good, bad):
        client = libhoney.Client(writekey=key.value, dataset="outside", api_host=sim.url, block_on_send=True)
        for number in range(12):
            event = client.new_event()
            event.add_field("number", number)
            event.send()
        client.close()
        answers = [client.responses().get(timeout=5) for _unused in range(12)]
        seen[key.id] = [answer["status_code"] for answer in answers]
    assert seen == {good.id: [202] * 12, bad.id: [401] * 12}
    assert sim.events == {good.id: {"accepted": 12, "refused": 0}, bad.id: {"accepted": 0, "refused": 12}}


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip, Compression.Deflate])
def test_opentelemetry_spans(sim: Simulator, compression: Compression, caplog: pytest.LogCaptureFixture) -> None:
    key = sim.add_key()
    exporter = OTLPSpanExporter(
        endpoint=f"{sim.url}/v1/traces", headers={"x-honeycomb-team": key.value}, compression=compression, timeout=5
    )
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("outside")
    for _unused in range(3):
        with tracer.start_as_current_span("work"):
            pass
    assert not caplog.records
    disabled = sim.add_key(disabled=True)
    assert sim.events == {key.id: {"accepted": 3, "refused": 0}}

    exporter = OTLPSpanExporter(
        endpoint=f"{sim.url}/v1/traces", headers={"x-honeycomb-team": disabled.value}, compression=compression
    )
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with caplog.at_level(logging.ERROR), tracer.start_as_current_span("work"):
        pass
    provider.shutdown()
    assert sim.events == {
        key.id: {"accepted": 4, "refused": 0},
        disabled.id: {"accepted": 0, "refused": 1},
    }
    assert "401" in caplog.text


def test_opentelemetry_metrics(sim: Simulator) -> None:
    key = sim.add_key()
    exporter = OTLPMetricExporter(endpoint=f"{sim.url}/v1/metrics", headers={"x-honeycomb-team": key.value})
    provider = MeterProvider([PeriodicExportingMetricReader(exporter, 60_000)], shutdown_on_exit=False)
    meter = provider.get_meter("outside")
    meter.create_counter("c").add(1, {"a": 1})
    meter.create_histogram("h").record(5)
    provider.shutdown()
    assert sim.events == {key.id: {"accepted": 2, "refused": 0}}
