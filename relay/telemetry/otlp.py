"""spans -> an OpenTelemetry collector: OTLP over HTTP, in batches, on a thread of its own. Needs the extra `otel`.

Relay never waits for the collector: what it does not take in time is dropped, and the log says so once. Who runs
relay may set the SDK's own `OTEL_*` variables: the service's name, headers, sampling, the queue's bounds.
"""

import asyncio
import logging
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar, Token
from typing import Self

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Span as OtelSpan
from opentelemetry.trace import SpanKind, Status, StatusCode, format_span_id, format_trace_id
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from relay import __version__
from relay.domain.errors import RelayError
from relay.telemetry.traces import Fact, Operation, Watch

log = structlog.get_logger()


def _on_the_bus(operation: Operation, kind: str) -> Mapping[str, str]:
    """OpenTelemetry's conventions for messaging."""
    names = {"messaging.operation.name": operation.value, "messaging.operation.type": kind}
    return {"messaging.system": "mqtt", **names}


_ENDS_WITHIN = 2.0  # real seconds that the last spans may take when relay stops
_PATH = "/v1/traces"
_KINDS: Mapping[Operation, SpanKind] = {
    Operation.RECEIVE: SpanKind.CONSUMER,
    Operation.SEND: SpanKind.CLIENT,
    Operation.PUBLISH: SpanKind.PRODUCER,
    Operation.PROCESS: SpanKind.CONSUMER,
}
_MEANING: Mapping[Operation, Mapping[str, str]] = {
    Operation.RECEIVE: _on_the_bus(Operation.RECEIVE, "receive"),
    Operation.PUBLISH: _on_the_bus(Operation.PUBLISH, "send"),
    Operation.SEND: {},
    Operation.PROCESS: {},
}
_NAMES = {"message_id": "messaging.message.id", "code": "error.type"}
_LEAST_ERROR = 400  # of HTTP's codes


class OtlpTraces:
    """Tells a collector of spans.

    Args:
        address: the collector's base URL, such as `http://127.0.0.1:4318`.
        node: this process among others.
    """

    heard = True

    def __init__(self, address: str, node: str) -> None:
        _silence_the_sdk()
        base = address.rstrip("/").removesuffix(_PATH)
        exporter = _Exporter(OTLPSpanExporter(endpoint=base + _PATH), base)
        self._provider = TracerProvider(resource=_resource(node), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("relay", __version__)

    def span(self, operation: Operation, line: str | None, parent: str | None = None, **facts: Fact) -> "_Span":
        """A piece of work, from now to the end of the block."""
        context = _propagator.extract({"traceparent": parent} if parent else {}, Context())
        name = f"{operation} {line}" if line else operation.value
        own = self._tracer.start_span(name, context, _KINDS[operation], _MEANING[operation])
        span = _Span(own, parent, is_call=operation is Operation.SEND)
        span.tell(line=line, **facts)
        return span

    def watched(self, watch: Watch) -> Watch:
        """What is told of each request: `watch`, and the call to send that it is made for."""

        def seen(method: str, path: str, code: str, seconds: float) -> None:
            watch(method, path, code, seconds)
            if (call := _calling.get()) is not None:
                call.requested(method, path, code)

        return seen

    async def aclose(self) -> None:
        """Send what is left, for as long as there is time."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def end() -> None:
            self._provider.shutdown()
            # The loop may have ended before.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(ended.set)

        # Not one of the loop's threads: those are waited for, however long a collector takes.
        threading.Thread(target=end, name="traces", daemon=True).start()
        with suppress(TimeoutError):
            async with asyncio.timeout(_ENDS_WITHIN):
                await ended.wait()


class _Span:
    """A span of the SDK's; while it is a call to a provider, requests are told to it."""

    def __init__(self, own: OtelSpan, parent: str | None, *, is_call: bool) -> None:
        self._own = own
        self._parent = parent
        self._is_call = is_call
        self._token: Token[_Span | None] | None = None

    @property
    def traceparent(self) -> str | None:
        """Its own; where it is not recorded, its parent's: a trace that is not to be kept goes on as it was."""
        if not self._own.is_recording():
            return self._parent
        own = self._own.get_span_context()
        return f"00-{format_trace_id(own.trace_id)}-{format_span_id(own.span_id)}-{own.trace_flags:02x}"

    def tell(self, **facts: Fact) -> None:
        """Add what has become known."""
        known = {_NAMES.get(name, f"relay.{name}"): value for name, value in facts.items() if value is not None}
        self._own.set_attributes(known)
        if (code := facts.get("code")) is not None:
            self._own.set_status(Status(StatusCode.ERROR, str(code)))

    def requested(self, method: str, path: str, code: str) -> None:
        """A request was made for it. The path has names in place of ids."""
        if self._own.is_recording():
            self._own.set_attributes({"http.request.method": method, "url.template": path})
            if code.isdecimal():
                self._own.set_attribute("http.response.status_code", int(code))
            if not code.isdecimal() or int(code) >= _LEAST_ERROR:
                self._own.set_attribute("error.type", code)

    def __enter__(self) -> Self:
        if self._is_call:
            self._token = _calling.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if self._token is not None:
            _calling.reset(self._token)
        if kind is not None:
            # An error's own text may hold what was being carried: its code, or its class, says enough.
            self.tell(code=error.problem.code.value if isinstance(error, RelayError) else kind.__name__)
        self._own.end()


class _Exporter(SpanExporter):
    """Says once that nothing can be sent, and once that it can again."""

    def __init__(self, own: SpanExporter, address: str) -> None:
        self._own = own
        self._address = address
        self._fails = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch, on the SDK's thread."""
        result = SpanExportResult.FAILURE
        try:
            result = self._own.export(spans)
        finally:
            self._saw(fails=result is not SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        """Send nothing more."""
        self._own.shutdown()

    def _saw(self, *, fails: bool) -> None:
        if fails and not self._fails:
            log.warning("traces.unsent", address=self._address)
        elif self._fails and not fails:
            log.info("traces.sent", address=self._address)
        self._fails = fails


def _resource(node: str) -> Resource:
    own = Resource({"service.name": "relay", "service.version": __version__, "service.instance.id": node})
    return own.merge(OTELResourceDetector().detect())  # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES go first


def _silence_the_sdk() -> None:
    """It tells each failure with its stack; `_Exporter` says as much in a line."""
    sdk = logging.getLogger("opentelemetry")
    sdk.propagate = False
    if not sdk.handlers:
        sdk.addHandler(logging.NullHandler())


_calling: ContextVar[_Span | None] = ContextVar("calling", default=None)
_propagator = TraceContextTextMapPropagator()
