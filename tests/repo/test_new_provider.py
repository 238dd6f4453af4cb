"""A new provider is one new folder and not a line elsewhere."""

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from pydantic import ValidationError

import relay.providers
from relay.clock import SystemClock
from relay.ids import Ids
from relay.providerkit.spec import FetchesInbox, LineContext, Sends
from tests.memory import Memory

PIGEON = '''
"""Carrier pigeons: a provider that relay has never heard of."""

from relay.domain.addresses import AddressKind
from relay.domain.messages import CallAnswer, Handover, Plan
from relay.domain.states import Fact
from relay.providerkit.spec import LineContext, LineSettings, Provider


class PigeonSettings(LineSettings):
    base_url: str = "http://127.0.0.1/loft"
    loft: str


class PigeonLine:
    provider = "pigeon"
    takes = frozenset({AddressKind.E164})

    def __init__(self, context):
        self.alias = context.alias

    async def verify(self):
        return "the pigeons are in"

    async def aclose(self):
        pass

    def plan(self, content):
        return Plan(encoding="ink", segments=1, recipients_per_call=1)

    async def send(self, call):
        return CallAnswer(ref=None, handovers=tuple(Handover(Fact.SUBMITTED_UNTRACKED) for _ in call.recipients))


PROVIDER = Provider(name="pigeon", settings=PigeonSettings, connect=PigeonLine)
'''


@pytest.fixture
def dropped_in(tmp_path: Path) -> Iterator[None]:
    """A provider's folder, put beside the others while relay runs."""
    name = "carrier_pigeon"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text(dedent(PIGEON))
    relay.providers.__path__.append(str(tmp_path))
    yield
    relay.providers.__path__.remove(str(tmp_path))
    sys.modules.pop(f"relay.providers.{name}", None)
    vars(relay.providers).pop(name, None)


@pytest.mark.usefixtures("dropped_in")
def test_a_folder_that_is_dropped_in_is_a_provider() -> None:
    """It is found beside the others, with settings of its own, without a line changed elsewhere."""
    pigeon = relay.providers.discover()["pigeon"]
    with pytest.raises(ValidationError, match="loft"):
        pigeon.settings.model_validate({"provider": "pigeon"})


def test_a_provider_is_gone_with_its_folder() -> None:
    """Nothing else remembers it: providers are what the folder holds, each under its own name."""
    found = relay.providers.discover()
    assert "pigeon" not in found
    assert all(name == provider.name for name, provider in found.items())


@pytest.mark.usefixtures("dropped_in")
async def test_a_stage_sees_what_its_line_can_do() -> None:
    """A stage asks the line for its capabilities; nobody asks which provider it is."""
    pigeon = relay.providers.discover()["pigeon"]
    clock = SystemClock()
    settings = pigeon.settings.model_validate({"provider": "pigeon", "loft": "north"})
    line = pigeon.connect(LineContext("north", settings, Memory(), clock, Ids(clock)))
    assert isinstance(line, Sends)
    assert not isinstance(line, FetchesInbox)
    assert await line.verify() == "the pigeons are in"
