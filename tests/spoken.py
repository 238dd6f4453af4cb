"""What relay says on the bus, held against the models that its published schemas are made of.

Whoever hears relay in a test asks here about everything it hears, so that no field is said that has no description,
and none is described that is not said.
"""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from relay.interface.envelope import Envelope
from relay.interface.shapes import EVENTS, SHAPES, model_of_topic

# Tests publish on other topics below the base as well.
_RELAYS = re.compile(r"dead|node/[^/]+/(status|info)|line/[^/]+/(status|message|(result|receipt)(/.+)?|event/.+)")
PROBE = "relay.probe.v1"  # by which relay tries its topics on MQTT 3.1.1: readers ignore it


def misfits(topic: str, said: Mapping[str, Any], base: str = "relay") -> list[str]:
    """What is said on a topic that no model has, or has otherwise; nothing where all is as it is described."""
    kind = str(said.get("type")).removeprefix("relay.").removesuffix(".v1")
    if said.get("type") == PROBE or not (_RELAYS.fullmatch(topic.removeprefix(f"{base}/")) or kind in EVENTS):
        return []
    standing = model_of_topic(topic, base)
    if standing is not None:
        return _wrong(topic, standing, said)
    if kind not in EVENTS:
        return [f"{topic}: nothing describes events of the type {said.get('type')}"]
    named = [] if said.get("dataschema") == SHAPES[kind].urn else [f"{topic}: dataschema is not {SHAPES[kind].urn}"]
    return [*named, *_wrong(kind, Envelope, said), *_wrong(kind, EVENTS[kind], said.get("data"))]


def _wrong(where: str, model: type[BaseModel], said: Any) -> list[str]:
    try:
        model.model_validate_json(to_json(said))
    except ValidationError as errors:
        return [f"{where}: {'.'.join(map(str, one['loc']))}: {one['msg']}" for one in errors.errors()]
    return []
