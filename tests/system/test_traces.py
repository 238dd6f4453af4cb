"""Spans of a whole relay, at a real OTLP/HTTP receiver: one trace from the command to the last receipt."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiomqtt
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.system.world import LINES, SECRETS, RelayProcess, World, world

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
FRIEND, STRANGER = "+12065550101", "+12065550107"
TEXT, ANSWER = "a marked text that goes out", "a marked text that comes in"
OFFICE_TEXT = "a marked text by a web hook"


class Traced(RelayProcess):
    """It sends its spans soon, and gives up soon where nobody takes them."""

    environment = MappingProxyType({"OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"})


class Importing(RelayProcess):
    """It says in its log what it imports."""

    before = ("/usr/bin/env",)
    words = ("-X", "importtime", *RelayProcess.words)


@dataclass
class Collector:
    """Takes spans, and keeps the bytes that they came in."""

    spans: list[dict[str, Any]] = field(default_factory=list)
    resource: dict[str, str] = field(default_factory=dict)
    raw: bytes = b""

    async def take(self, request: web.Request) -> web.Response:
        """One batch."""
        body = await request.read()
        self.raw += body
        for each in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resource |= {one.key: one.value.string_value for one in each.resource.attributes}
            self.spans += [_span(one) for scope in each.scope_spans for one in scope.spans]
        return web.Response(content_type="application/x-protobuf")

    def of(self, trace: str) -> list[dict[str, Any]]:
        """The spans of a trace."""
        return [span for span in self.spans if span["trace"] == trace]

    @asynccontextmanager
    async def listening(self, port: int) -> AsyncIterator[None]:
        """Take them at this port."""
        app = web.Application()
        app.router.add_post("/v1/traces", self.take)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            yield
        finally:
            await runner.cleanup()


def _span(one: Any) -> dict[str, Any]:
    facts = {each.key: each.value.string_value or each.value.int_value for each in one.attributes}
    ids = {"trace": one.trace_id.hex(), "id": one.span_id.hex(), "parent": one.parent_span_id.hex()}
    return {
        "name": one.name,
        "kind": one.kind,
        "error": one.status.code == one.status.STATUS_CODE_ERROR,
        **ids,
        **facts,
    }


async def ask(made: World, request_id: str, trace: str | None = None) -> None:
    """A command as an instrumented client publishes it, on MQTT 5."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    if trace:
        properties.UserProperty = [("traceparent", f"00-{trace}-{PARENT}-01")]
    body = f'{{"id": "{request_id}", "to": ["{FRIEND}"], "text": "{TEXT}"}}'
    async with aiomqtt.Client("127.0.0.1", made.broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        await client.publish("relay/line/alerts/send", body, qos=1, properties=properties)


async def test_a_trace_goes_from_the_command_to_the_last_receipt(tmp_path: Path, free_port: Callable[[], int]) -> None:
    """Over a restart; with no text, number or secret; and relay goes on where nobody takes its spans."""
    port, collector = free_port(), Collector()
    wanted = f'[telemetry]\ntraces = "http://127.0.0.1:{port}"\n'
    async with world(tmp_path, free_port, media=wanted, relay=Traced, speed=120.0) as made:
        async with collector.listening(port):
            await _live(made)
        spans = collector.of(TRACE)
        _is_whole(spans, [event for event in made.ears.events("receipt") if TRACE in event.get("traceparent", "")])
        _begins_here(collector, made)
        _comes_in(collector)
        found = collector.raw.decode("latin-1")
        marked = [TEXT, ANSWER, OFFICE_TEXT, FRIEND[1:], STRANGER[1:], *SECRETS.values()]
        assert [each for each in marked if each in found] == []
        assert collector.resource == {
            "service.name": "relay",
            "service.version": collector.resource["service.version"],
            "service.instance.id": "relay-1",
        }
        taken = len(collector.spans)

        await made.relay.start()
        await ask(made, "trace-3")
        message = (await made.ears.result("trace-3"))["message_id"]
        await made.ears.final(message, 1)
        assert await made.relay.stop() == 0
        assert len(made.relay.logged("traces.unsent")) == 1
        assert made.relay.logged("library.logged") == []
        assert len(collector.spans) == taken


async def _live(made: World) -> None:
    """A text is sent in one life and told of in the next; one without a trace; one comes in on each line."""
    await made.relay.start()
    await made.listening()
    await made.hooked()
    await ask(made, "trace-1", TRACE)
    first = await made.ears.result("trace-1")
    await made.until_att(lambda: made.accepted(TEXT))
    assert await made.relay.stop() == 0
    await made.relay.start()
    await made.ears.final(first["message_id"], 1)
    await ask(made, "trace-2")
    made.text_in(STRANGER, "12345", ANSWER)
    made.text_in(STRANGER, "+12065550100", OFFICE_TEXT)
    second = await made.ears.result("trace-2")
    await made.ears.final(second["message_id"], 1)
    await made.ears.until(lambda: len(made.ears.events("message")) == 2, what="two texts")
    assert await made.relay.stop() == 0


def _is_whole(spans: list[dict[str, Any]], receipts: list[dict[str, Any]]) -> None:
    """Its command is the client's child; all that came of it, in both lives, is the command's."""
    [command] = [span for span in spans if span["name"] == "receive alerts"]
    assert (command["parent"], command["relay.outcome"], command["messaging.system"]) == (PARENT, "accepted", "mqtt")
    others = [span for span in spans if span is not command]
    assert {span["parent"] for span in others} == {command["id"]}
    [call] = [span for span in others if span["name"] == "send alerts"]
    assert (call["http.request.method"], call["http.response.status_code"], call["kind"]) == ("POST", 201, 3)
    assert not any(span["error"] for span in spans)
    told = [span["relay.event"] for span in others if span["name"] == "publish alerts"]
    assert (told.count("result"), told.count("receipt")) == (1, len(receipts))
    assert {receipt["traceparent"] for receipt in receipts} == {f"00-{TRACE}-{command['id']}-01"}
    assert any(receipt["data"]["final"] for receipt in receipts)
    messages = {span["messaging.message.id"] for span in spans}
    assert messages == {receipt["data"]["message_id"] for receipt in receipts}


def _begins_here(collector: Collector, made: World) -> None:
    """A command without a trace begins one, and its events carry it."""
    [result] = [event for event in made.ears.events("result") if event["data"]["request_id"] == "trace-2"]
    spans = collector.of(result["traceparent"].split("-")[1])
    assert {span["name"] for span in spans} == {"receive alerts", "send alerts", "publish alerts"}
    assert [span["name"] for span in spans if not span["parent"]] == ["receive alerts"]


def _comes_in(collector: Collector) -> None:
    """A page of the inbox, and a web hook, were understood."""
    read = [span for span in collector.spans if span["name"].startswith("process") and span.get("relay.messages")]
    assert {(span["name"], span.get("relay.hook", "")) for span in read} == {
        ("process alerts", ""),
        ("process office", "receive"),
    }


async def test_without_the_setting_nothing_of_it_is_loaded(tmp_path: Path, free_port: Callable[[], int]) -> None:
    """The extra is installed here, and relay runs as if it were not."""
    async with world(tmp_path, free_port, relay=Importing, lines=LINES) as made:
        await made.relay.start()
        await made.listening()
        await ask(made, "trace-1", TRACE)
        result = await made.ears.result("trace-1")
        await made.ears.final(result["message_id"], 1)
        assert await made.relay.stop() == 0
    [event, *_] = made.ears.events("result")
    assert event["traceparent"] == f"00-{TRACE}-{PARENT}-01"
    said = await asyncio.to_thread(made.relay.log_path.read_text)
    assert re.search(r"\|\s+structlog$", said, re.MULTILINE)
    assert "opentelemetry" not in said
