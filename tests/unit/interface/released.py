"""The shapes as they were released: one file a schema, and the topics.

`python -m tests.unit.interface.released` adds what is new to them. It changes nothing that only breaks somebody: such a
change needs a new version of the shape, beside the old one.
"""

import json
import sys
from pathlib import Path
from typing import Any

from relay.interface import schema, schema_names
from relay.interface.compiled import SETTINGS
from relay.interface.shapes import COMMANDS
from tests.unit.interface.growth import breaks

READ = frozenset({*COMMANDS, SETTINGS})
RELEASED = Path(__file__).parents[2] / "data/released/v1"


def released() -> list[str]:
    """The names of the schemas."""
    return sorted(path.name.removesuffix(".schema.json") for path in RELEASED.glob("*.schema.json"))


def topics_of(document: dict[str, Any]) -> dict[str, Any]:
    """Of an AsyncAPI document: every topic, who publishes there, and what."""
    actions = {one["channel"]["$ref"]: one["action"] for one in document["operations"].values()}
    return {
        str(channel["address"]): {"action": actions[f"#/channels/{name}"], "messages": sorted(channel["messages"])}
        for name, channel in document["channels"].items()
    }


def release() -> list[str]:
    """Keep every shape as it is now; what breaks somebody is refused, and told."""
    refused = []
    for name in schema_names():
        path, new = RELEASED / f"{name}.schema.json", schema(name)
        if name == "asyncapi":
            path, new = RELEASED / "topics.json", topics_of(new)
        old = json.loads(path.read_text()) if path.exists() else new
        found = _lost(old, new) if name == "asyncapi" else breaks(old, new, is_read=name in READ)
        refused += [f"{name}{one}" for one in found]
        if not found:
            path.write_text(json.dumps(new, indent=2, ensure_ascii=False) + "\n")
    return refused


def _lost(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return [f": {address}" for address, known in old.items() if new.get(address) != known]


if __name__ == "__main__":
    sys.exit("\n".join(release()) or 0)
