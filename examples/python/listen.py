"""Print the texts that come in on a line, each once, whatever happens to the connection.

    python listen.py --line alerts --seen seen.db

The broker keeps what comes while this program is away. It may deliver an event again: the file remembers which ones
were printed.
"""

import argparse
import asyncio
import contextlib

import aiomqtt
from bus import Seen, connections, events


async def listen(line: str, seen: Seen) -> None:
    """Print them, until interrupted."""
    async for client in connections(f"example-listen-{line}", f"relay/line/{line}/message"):
        print("listening", flush=True)
        try:
            async for event in events(client, seen):
                text = event["data"]
                attached = f" and {len(text['media'])} attachments" if text["media"] else ""
                print(f"{text['from']}: {text['text']}{attached}", flush=True)
        except aiomqtt.MqttError as error:
            print(f"the connection was lost ({error})", flush=True)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description="Print the texts that come in.")
    options.add_argument("--line", default="alerts")
    options.add_argument("--seen", default="seen.db")
    given = options.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(listen(given.line, Seen(given.seen)))
