"""The retained topics: how a node and its lines stand. Plain JSON, without an envelope."""

from typing import Literal

from relay.interface.told import LATER, NOON, Time, Told, may_say, says
from relay.telemetry.health import LineState


class NodeStatus(Told):
    """How a node stands. The broker says `offline` with the reason `lost` for a node that it has lost."""

    state: Literal["online", "degraded", "stopping", "offline"] = says("How it stands.", "online")
    reason: str | None = says("Why, for people; `lost` or `stopped` where it is offline.", None, "lines: office")
    since: Time | None = says("Since when; null where the broker says it, which does not know.", NOON)
    summary: str | None = may_say(
        "How it stands, in one sentence for people: that of `relay status` and of `systemctl status`.",
        "node relay-1: online since 2026-11-21 09:00:00Z; bus connected (MQTT 5); 1.0.0",
    )


class Schemas(Told):
    """The versions of what a node publishes."""

    envelope: str = says("CloudEvents' version.", "1.0")
    data: str = says("The version of `data`, as in `type` and `dataschema`.", "v1")


class NodeInfo(Told):
    """What a node is."""

    version: str = says("relay's version.", "1.0.0")
    lines: dict[str, str] = says("The provider of each line, by its alias.", {"alerts": "att-sms"})
    schemas: Schemas = says("The versions of what it publishes.")
    started: Time = says("When it was started.", NOON)


class Circuit(Told):
    """Calls to send are held back, because the provider does not answer them."""

    since: Time | None = may_say("Since when.", NOON)
    next_try_at: Time | None = may_say("When the next call is tried.", LATER)
    reason: str = says("Why, for people.", "5 calls in a row failed: unreachable")
    failures: int = says("How many calls have failed.", 5)


class LineStatus(Told):
    """How a line stands."""

    state: LineState = says("How it stands: that of its part that is worst off.", "ready")
    reason: str | None = says("Why: an error's code, or a word.", None, "unreachable")
    since: Time = says("Since when it has this state.", NOON)
    last_success: Time | None = says("When the provider last served the line, or called it.", NOON)
    loss_at: Time | None = says("When the provider will begin to discard what was not fetched.", LATER)
    circuit: Circuit | None = says("Why calls to send are held back, where they are.")
