"""Send a text through relay, and follow it until the last of its copies has its final status.

    python send.py --line alerts --id order-1234-shipped --to +12065550123 "Your order is on its way."

Give every text its own id. If this program, relay or the broker fails at any moment, run it again with the same id and
the same words: relay answers with the first result, and sends nothing twice.
"""

import argparse
import asyncio
import json
import sys
from contextlib import aclosing
from typing import Any

import aiomqtt
from bus import Seen, connections, events

CLIENT = "example"  # a level of the topics: the broker's ACL can tell clients apart by it


class Following:
    """What is known of one request."""

    def __init__(self) -> None:
        self.copies: set[str] | None = None  # None: there is no result yet
        self.ended: dict[str, str] = {}  # the final status of each copy

    @property
    def is_over(self) -> bool:
        """Whether every copy has its final status."""
        return self.copies is not None and self.copies <= self.ended.keys()

    @property
    def is_good(self) -> bool:
        """Whether every copy arrived, or was handed over where nobody will say more."""
        return self.is_over and set(self.ended.values()) <= {"delivered", "submitted"}

    def result(self, data: dict[str, Any]) -> None:
        """Note the answer to a command."""
        print(f"{data['outcome']}{' (again)' if data['replayed'] else ''}: {len(data['copies'])} copies", flush=True)
        if data["error"]:
            print(f"{data['error']['code']}: {data['error']['detail']}", flush=True)
        self.copies = {copy["copy_id"] for copy in data["copies"]}
        for copy in data["copies"]:
            # A copy that is refused at once has no receipt; the answer to `lookup` says of each whether it has ended.
            if copy["status"] == "failed" or copy.get("final"):
                self.ended[copy["copy_id"]] = copy["status"]
        if data["outcome"] == "rejected":
            self.ended["request"] = "rejected"

    def receipt(self, data: dict[str, Any]) -> None:
        """Note a change of a copy's status."""
        print(f"{data['to']}: {data['status']}{' (final)' if data['final'] else ''}", flush=True)
        if data["final"]:
            self.ended[data["copy_id"]] = data["status"]


async def send(line: str, request: dict[str, Any]) -> bool:
    """Send it and follow it; gives whether it went well."""
    below, known, seen = f"relay/line/{line}", Following(), Seen()
    heard = (f"{below}/result/{CLIENT}", f"{below}/receipt/{CLIENT}")
    async with aclosing(connections(f"{CLIENT}-{request['id']}", *heard)) as tries:
        async for client in tries:
            try:
                # Again after every loss of the connection: the id makes that harmless.
                await client.publish(f"{below}/send/{CLIENT}", json.dumps(request), qos=1)
                async for event in events(client, seen):
                    data = event["data"]
                    if data["request_id"] != request["id"]:
                        continue
                    if event["type"] == "relay.receipt.v1":
                        known.receipt(data)
                    else:
                        known.result(data)
                        if data["replayed"]:  # what has become of it since is not told again by itself
                            await client.publish(f"{below}/lookup/{CLIENT}", json.dumps({"id": request["id"]}), qos=1)
                    if known.is_over:
                        return known.is_good
            except aiomqtt.MqttError as error:
                print(f"the connection was lost ({error})", flush=True)
    return False


if __name__ == "__main__":
    options = argparse.ArgumentParser(description="Send a text through relay.")
    options.add_argument("--line", default="alerts")
    options.add_argument("--id", required=True)
    options.add_argument("--to", action="append", required=True)
    options.add_argument("text")
    given = options.parse_args()
    sys.exit(0 if asyncio.run(send(given.line, {"id": given.id, "to": given.to, "text": given.text})) else 1)
