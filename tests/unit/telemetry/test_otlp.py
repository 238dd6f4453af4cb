"""Spans as the SDK makes them: parents, kinds, codes; and a collector that nobody answers for."""

import asyncio
import io
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from structlog.testing import capture_logs

from relay.domain.errors import ErrorCode, Problem, Throttled
from relay.telemetry.otlp import OtlpTraces
from relay.telemetry.traces import NoTraces, Operation
from relay.telemetry.tracing import tracing
from tests.brokers import free_port

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, DROPPED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"
SECRET = "a marked secret"


class Receiver:
    """Takes spans over OTLP/HTTP."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.address = ""

    async def take(self, request: web.Request) -> web.Response:
        """One batch."""
        for each in ExportTraceServiceRequest.FromString(await request.read()).resource_spans:
            self.spans += [span for scope in each.scope_spans for span in scope.spans]
        return web.Response()

    def facts(self) -> dict[str, dict[str, Any]]:
        """What each span says, by its name."""
        return {
            span.name: {one.key: one.value.string_value or one.value.int_value for one in span.attributes}
            for span in self.spans
        }


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """One that listens."""
    made, app, port = Receiver(), web.Application(), free_port()
    app.router.add_post("/v1/traces", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    made.address = f"http://127.0.0.1:{port}"
    yield made
    await runner.cleanup()


async def test_what_follows_from_a_span_is_in_its_trace(receiver: Receiver) -> None:
    """The command's parent is the client's; a trace begins where there is none, or what is none."""
    async with tracing(receiver.address + "/v1/traces", "n1") as traces:
        with traces.span(Operation.RECEIVE, "alerts", SAMPLED) as command:
            follows = command.traceparent
        with traces.span(Operation.PUBLISH, "alerts", follows):
            pass
        with traces.span(Operation.PUBLISH, None, "no trace parent") as alone:
            assert alone.traceparent is not None
    found = {span.name: span for span in receiver.spans}
    command_id = found["receive alerts"].span_id
    assert follows == f"00-{TRACE}-{command_id.hex()}-01"
    assert (found["receive alerts"].trace_id.hex(), found["receive alerts"].parent_span_id.hex()) == (TRACE, PARENT)
    assert found["publish alerts"].parent_span_id == command_id
    assert (found["publish"].trace_id.hex() != TRACE, found["publish"].parent_span_id) == (True, b"")


async def test_a_trace_that_its_client_does_not_keep_is_not_kept(receiver: Receiver) -> None:
    """It goes on as it was."""
    async with tracing(receiver.address, "n1") as traces:
        with traces.span(Operation.RECEIVE, "alerts", DROPPED) as command:
            assert command.traceparent == DROPPED
    assert receiver.spans == []


async def test_a_call_has_its_last_request_and_an_errors_code(receiver: Receiver) -> None:
    """Its own alone: what is asked for beside it is another's. An error's text is in no span."""
    watched: list[str] = []
    async with tracing(receiver.address, "n1") as traces:
        seen = traces.watched(lambda method, *_: watched.append(method))
        seen("GET", "/inbox", "200", 0.1)
        with traces.span(Operation.SEND, "alerts", SAMPLED, copies=2):
            seen("POST", "/token", "200", 0.1)
            seen("POST", "/messages/{id}", "201", 0.1)
        with suppress(Throttled), traces.span(Operation.SEND, "office", SAMPLED, attempt=None):
            seen("POST", "/messages", "429", 0.1)
            raise Throttled(Problem(ErrorCode.THROTTLED, SECRET))
        with pytest.raises(ValueError, match=SECRET), traces.span(Operation.PROCESS, "desk"):
            raise ValueError(SECRET)
        seen("GET", "/inbox", "200", 0.1)
    assert watched == ["GET", "POST", "POST", "POST", "GET"]
    facts = receiver.facts()
    assert facts["send alerts"] == {
        "relay.line": "alerts",
        "relay.copies": 2,
        "http.request.method": "POST",
        "url.template": "/messages/{id}",
        "http.response.status_code": 201,
    }
    assert (facts["send office"]["http.response.status_code"], facts["send office"]["error.type"]) == (
        429,
        "throttled",
    )
    assert facts["process desk"]["error.type"] == "ValueError"
    assert SECRET not in str(receiver.spans)


async def test_without_a_collector_the_log_says_so_once_and_the_end_does_not_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The SDK's own stacks are not logged."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "4")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2")
    said = io.StringIO()
    listening = logging.StreamHandler(said)
    logging.getLogger().addHandler(listening)
    with capture_logs() as logged:
        traces = OtlpTraces(f"http://127.0.0.1:{free_port()}", "n1")
        for _ in range(20):
            with traces.span(Operation.PUBLISH, "alerts"):
                await asyncio.sleep(0)
        async with asyncio.timeout(4):
            await traces.aclose()
    assert [one["event"] for one in logged] == ["traces.unsent"]
    logging.getLogger().removeHandler(listening)
    assert said.getvalue() == ""


async def test_without_an_address_nobody_hears_of_anything() -> None:
    """And nothing is made for it: every span is the same."""
    async with tracing(None, "n1") as traces:
        assert isinstance(traces, NoTraces)
        first = traces.span(Operation.SEND, "alerts", SAMPLED, copies=1)
        with first as span:
            span.tell(code="x")
            assert span.traceparent is None
        assert traces.span(Operation.PUBLISH, None) is first
        watch = lambda *_: None  # noqa: E731 - it is only compared
        assert traces.watched(watch) is watch
