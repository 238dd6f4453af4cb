"""What cannot be read is set aside whole, shown by `relay dead`, and delivered once after the parser has learned."""

import base64
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

import relay.providers
from tests.system.inhouse import FRIEND, at_home, texts
from tests.system.test_cli import run, socket_of
from tests.system.world import World

LINES = """
[lines.alerts]
provider = "strict-sms"
base_url = "{att}"
short_code = "12345"
app_key = "demo-key"
app_secret_file = "{directory}/app_secret"
"""
PARSER = '''
"""The SMS provider, as it was before it learned a form that AT&T's answers can have."""

from dataclasses import replace
from typing import Literal

from relay.domain.errors import Malformed
from relay.providers.att_sms import PROVIDER as SMS
from relay.providers.att_sms.client import AttSmsLine

KNOWN = {known}


class StrictSettings(SMS.settings):
    provider: Literal["strict-sms"] = "strict-sms"


class StrictLine(AttSmsLine):
    provider = "strict-sms"

    def read_inbox(self, raw):
        if b"new form" in raw.body and not KNOWN:
            raise Malformed("the page has a form that is not known", raw.body)
        return super().read_inbox(raw)


PROVIDER = replace(SMS, name="strict-sms", settings=StrictSettings, connect=StrictLine)
'''
NAME = "strict_sms"


@pytest.fixture
def parser(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Puts the provider's folder beside the others; the next relay that starts finds it as it is then."""
    folder = tmp_path / "providers"

    def forget() -> None:
        sys.modules.pop(f"relay.providers.{NAME}", None)
        vars(relay.providers).pop(NAME, None)

    def write(*, known: bool) -> None:
        forget()
        (folder / NAME).mkdir(parents=True, exist_ok=True)
        # Another name for each, so that no compiled file of the former is taken for it.
        (folder / NAME / f"parser_{known}.py").write_text(dedent(PARSER).format(known=known))
        source = f"from relay.providers.{NAME}.parser_{known} import PROVIDER as PROVIDER\n"
        (folder / NAME / "__init__.py").write_text(f"{source}# {'as it is now' if known else 'as it was'}\n")

    relay.providers.__path__.append(str(folder))
    yield write
    relay.providers.__path__.remove(str(folder))
    forget()
    for known in (True, False):
        sys.modules.pop(f"relay.providers.{NAME}.parser_{known}", None)


async def dead(made: World, *words: str) -> tuple[int | None, str]:
    """Run `relay dead`."""
    return await run("dead", *words, *socket_of(made))


async def test_a_page_that_cannot_be_read_is_delivered_once_after_the_parser_has_learned(
    tmp_path: Path, free_port: Callable[[], int], parser: Callable[..., None]
):
    """Set aside whole, while the rest flows; shown, replayed too early, replayed, and another one discarded."""
    parser(known=False)
    pages = (("plain 1", "new form 1"), ("new form 2", "plain 2"), ("plain 3",))

    def texts_in(made: World) -> None:
        for text in (text for page in pages for text in page):
            made.text_in(FRIEND, "12345", text)

    modes = {"att-sms": {"batch": 2}}
    async with at_home(tmp_path, free_port, lines=LINES, modes=modes, before=texts_in, speed=150) as made:
        await made.ears.until(lambda: "plain 3" in texts(made), what="the page that can be read")
        assert texts(made) == ["plain 3"]
        assert len(made.ears.events("dead")) == 2

        code, said = await dead(made, "list", "--json")
        found = [json.loads(row) for row in said.splitlines()]
        assert (code, [(row["kind"], row["line"], row["what"]) for row in found]) == (
            0,
            [("raw", "alerts", "inbox")] * 2,
        )
        assert "new form" not in said
        first, second = (row["id"] for row in found)
        code, said = await dead(made, "show", first, "--json")
        assert b"new form 1" in base64.b64decode(json.loads(said)["raw"]["body"])
        code, said = await dead(made, "replay", first)
        assert (code, said) == (1, "still not readable: the page has a form that is not known\n")
        code, said = await dead(made, "list", "--json")
        assert [json.loads(row)["id"] for row in said.splitlines()] == [first, second]

        await made.relay.stop()
        parser(known=True)
        await made.relay.start()
        code, said = await dead(made, "replay", first)
        assert (code, said) == (0, "read  messages 2\n")
        await made.ears.until(lambda: len(texts(made)) >= 3, what="the page that was set aside")
        code, said = await dead(made, "replay", first)
        assert (code, "nothing of this id waits" in said) == (1, True)
        code, said = await dead(made, "discard", second)
        assert code == 0
        assert await dead(made, "list") == (0, "nothing waits for a person\n")
        assert Counter(texts(made)) == Counter(("plain 1", "new form 1", "plain 3"))
