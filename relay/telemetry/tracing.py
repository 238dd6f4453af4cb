"""settings -> whoever hears of spans. Without an address, nothing of OpenTelemetry is loaded."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from relay.telemetry.traces import NoTraces, Traces


@asynccontextmanager
async def tracing(address: str | None, node: str) -> AsyncIterator[Traces]:
    """Whoever hears of spans; the last ones are on their way when the block ends.

    Args:
        address: of the collector, OTLP over HTTP; None: nobody wants to know.
        node: this process among others.
    """
    if address is None:
        yield NoTraces()
        return
    from relay.telemetry.otlp import OtlpTraces  # noqa: PLC0415 - it is an extra, and takes long to load

    traces = OtlpTraces(address, node)
    try:
        yield traces
    finally:
        await traces.aclose()
