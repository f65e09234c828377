"""One trace from the request to the record of the end, over every process, as a collector receives it."""

import asyncio
import http.server
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import nats
import pytest
from nats.aio.msg import Msg
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.integration.system.harness import System

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
STEPS = {
    ("lastword-edge", "POST /workflows"),
    ("lastword-edge", "ask start"),
    ("lastword-supervisor", "command start"),
    ("lastword-supervisor", "append pending"),
    ("lastword-supervisor", "dispatch"),
    ("lastword-executor", "run traced"),
    ("lastword-executor", "ask claim"),
    ("lastword-supervisor", "command claim"),
    ("lastword-supervisor", "append running"),
    ("lastword-executor", "process"),
    ("lastword-supervisor", "report succeeded"),
    ("lastword-supervisor", "append success"),
    ("lastword-edge", "told success"),
}
"""Who does what of a workflow that succeeds."""


class Step(NamedTuple):
    """A span, as it was sent."""

    service: str
    name: str
    span: str
    parent: str


class Collector:
    """Takes traces in, as OpenTelemetry's collector does, over HTTP."""

    def __init__(self) -> None:
        self._requests: list[bytes] = []

    def steps(self, trace: str) -> list[Step]:
        """Return what has come in of one trace."""
        found: list[Step] = []
        for body in list(self._requests):
            for of_process in ExportTraceServiceRequest.FromString(body).resource_spans:
                named = {one.key: one.value.string_value for one in of_process.resource.attributes}
                found += [
                    Step(named["service.name"], span.name, span.span_id.hex(), span.parent_span_id.hex())
                    for scope in of_process.scope_spans
                    for span in scope.spans
                    if span.trace_id.hex() == trace
                ]
        return found

    @contextmanager
    def listening(self) -> Generator[str, None, None]:
        """Listen; give the URL."""
        requests = self._requests

        class Taking(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                requests.append(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its name there
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Taking)
        thread = threading.Thread(target=server.serve_forever, name="collector")
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class Traced(NamedTuple):
    """A system that is traced, and where its traces go."""

    system: System
    collector: Collector


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    """Give a running system whose spans are sent at once."""
    collector = Collector()
    with collector.listening() as url:
        folder: Path = tmp_path_factory.mktemp("traced")
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        system = System(folder, config="traced.toml", **variables)
        try:
            yield Traced(system.start().await_definitions("traced"), collector)
            assert [] == system.logged("traces.unavailable")
            assert [] == system.logged("bus.permission_denied")
        finally:
            system.destroy()


async def test_one_trace_leads_from_the_request_to_the_record_of_the_end(traced: Traced) -> None:
    """Through edge, supervisor, executor and process and back, under the caller's own span."""
    system, collector = traced
    told: dict[str, str] = {}
    client = await nats.connect(system.nats_url)

    async def hear(message: Msg) -> None:
        record = message.data.decode()
        status = record.partition('"status":"')[2].partition('"')[0]
        told[status] = (message.headers or {}).get("traceparent", "")

    await client.subscribe("lastword.status.>", cb=hear)
    await client.flush()
    await client.flush()
    async with httpx.AsyncClient(base_url=system.url) as http_client:
        answer = await http_client.post(
            "/workflows",
            json={"definition": "traced"},
            headers={"traceparent": f"00-{TRACE}-{CALLER}-01", "tracestate": "vendor=1"},
        )
    ended = await asyncio.to_thread(system.await_end, answer.json()["id"])

    def seen() -> bool:
        return STEPS <= {(step.service, step.name) for step in collector.steps(TRACE)}

    await asyncio.to_thread(system.until, seen, "every step of the trace", 20)
    steps = collector.steps(TRACE)
    by_span = {step.span: step for step in steps}

    assert {"pending", "running", "success"} == told.keys()
    assert {TRACE} == {header.split("-")[1] for header in told.values()}
    assert [] == [step for step in steps if step.parent not in {CALLER, *by_span}]
    (process,) = [step for step in steps if step.name == "process"]
    assert f"00-{TRACE}-{process.span}-01" == ended["result"]
    assert "run traced" == by_span[process.parent].name
    await client.close()


def test_reading_is_no_step(traced: Traced) -> None:
    """Whoever polls would otherwise make most of what is sent."""
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace}-{CALLER}-01"}
    traced.system.get("/workflows", headers=headers)
    missing = httpx.post(f"{traced.system.url}/workflows/nobody/cancel", headers=headers)
    assert 404 == missing.status_code

    def seen() -> bool:
        return bool(traced.collector.steps(trace))

    traced.system.until(seen, "the command's step", 20)
    assert not [step for step in traced.collector.steps(trace) if step.name.startswith("GET")]
