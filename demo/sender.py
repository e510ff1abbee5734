# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An application that sends telemetry to Honeycomb all the time, and picks up a new key without a restart.

Usage: sender.py ENDPOINT KEY_FILE STATUS_FILE

It reads its ingest key from KEY_FILE, and writes the id of the key in use to STATUS_FILE. It ends when its standard
input is closed.
"""

from __future__ import annotations

import os
import select
import sys
from pathlib import Path

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

SPANS_PER_SECOND = 50
KEY_ID_LENGTH = 32  # an ingest key's value starts with its id


def telemetry(endpoint: str, key: str) -> TracerProvider:
    exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", headers={"x-honeycomb-team": key})
    provider = TracerProvider(resource=Resource.create({"service.name": "demo-sender"}))
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=100))
    return provider


def input_closed(seconds: float) -> bool:
    """Wait that long, or until standard input is closed; return whether it is."""
    return bool(select.select([sys.stdin], [], [], seconds)[0])


def main(endpoint: str, key_file: Path, status_file: Path) -> None:
    key = ""
    provider = None
    while not input_closed(1 / SPANS_PER_SECOND):
        stored = key_file.read_text().strip()
        if stored != key:
            key, former, provider = stored, provider, telemetry(endpoint, stored)
            if former:
                former.shutdown()  # sends what is still waiting, with the key that it was made for
            fresh = status_file.with_suffix(".new")
            fresh.write_text(key[:KEY_ID_LENGTH])
            os.replace(fresh, status_file)
        assert provider, "the key file is empty"
        with provider.get_tracer("demo").start_as_current_span("work"):
            pass
    if provider:
        provider.shutdown()


if __name__ == "__main__":
    try:
        main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
    except KeyboardInterrupt:
        pass  # the demo was interrupted, and says so itself
