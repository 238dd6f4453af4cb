"""What a subscriber's number sent comes back in its message store: relay's own is recognised, all else is told."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.system.inhouse import FRIEND, OTHER, at_home, followed, media, texts
from tests.system.world import World

LONG_TEXT = "A text of more than 160 characters goes as MMS, by AT&T's rule. " * 4
SENDS: dict[str, dict[str, Any]] = {
    "sms": {"to": FRIEND, "text": "one"},
    "several": {"to": [FRIEND, OTHER], "text": "several"},
    "picture": {"to": FRIEND, "text": "with a picture", "media": [media()], "subject": "A picture"},
    "only-picture": {"to": FRIEND, "media": [media()]},
    "long": {"to": [FRIEND, OTHER], "text": LONG_TEXT},
    "group": {"to": [FRIEND, OTHER], "text": "group", "group": True},
    "twice-1": {"to": FRIEND, "text": "the same"},
    "twice-2": {"to": FRIEND, "text": "the same"},
}
ELSEWHERE: list[dict[str, Any]] = [
    {"to": FRIEND, "text": "from the phone"},
    {"to": [FRIEND, OTHER], "text": "picture from the phone", "parts": [media() | {"name": "grey.gif"}]},
    {"to": OTHER, "text": LONG_TEXT + "from the phone"},
    {"to": FRIEND, "text": "one"},  # the same words as relay's
]


async def send_all(made: World, requests: dict[str, dict[str, Any]]) -> None:
    """Publish requests and wait for every final receipt."""
    for request_id, request in requests.items():
        await made.publish("relay/line/desk/send", {"id": request_id, **request})
    for request_id in requests:
        result = await made.ears.result(request_id)
        assert result["outcome"] == "accepted", result
        final = await made.ears.final(result["message_id"], len(result["copies"]))
        assert {receipt["status"] for receipt in final} == {"submitted"}


@pytest.mark.parametrize(("shape", "appear"), [("documented", "apart"), ("served", "together")])
async def test_own_sends_are_recognised_and_all_others_told_once(
    tmp_path: Path, free_port: Callable[[], int], shape: str, appear: str
):
    """SMS, MMS with and without a picture, a group, equal texts; the phone's own are published, each exactly once."""
    modes = {"att-inapp": {"shape": shape, "sends_appear": appear, "message_ids": "ugly"}}
    async with at_home(tmp_path, free_port, modes=modes, speed=100) as made:
        await followed(made)
        await send_all(made, SENDS)
        for facts in ELSEWHERE:
            made.act("text-from-phone", **facts)
        await told_as_elsewhere(made)
        copies = sum(len(request["to"]) if isinstance(request["to"], list) else 1 for request in SENDS.values())
        assert len(made.accepted()) == copies


async def told_as_elsewhere(made: World) -> None:
    """What the phone sent is told, each once; one text more comes last, so that nothing else can be on its way."""
    for text in ("the last but one", "the end"):
        made.act("text-from-phone", to=OTHER, text=text)
        await made.ears.until(
            lambda: len(texts(made, "event.sent-elsewhere")) >= len(made.ledger("sent-elsewhere")),
            what="what the phone sent",
        )
    wanted = [line["text"] for line in made.ledger("sent-elsewhere")]
    assert sorted(texts(made, "event.sent-elsewhere")) == sorted(wanted)


@pytest.mark.parametrize("shape", [pytest.param("documented", marks=pytest.mark.long_only), "served"])
async def test_the_message_store_settles_what_was_not_answered(
    tmp_path: Path, free_port: Callable[[], int], shape: str
):
    """AT&T took SMS and MMS, and the answers were lost: they are submitted, and never sent again."""
    # Slower than elsewhere: a busy machine must compare the message store before a resend is due, 75 seconds later.
    async with at_home(tmp_path, free_port, modes={"att-inapp": {"shape": shape}}, speed=25) as made:
        await followed(made)
        made.fault("cut-after", "send", times=20)
        requests: dict[str, dict[str, Any]] = {}
        for wish in ("hold", "resend", "fail"):
            picture = {"to": FRIEND, "text": f"mms {wish}", "media": [media()]}
            requests[f"sms {wish}"] = {"to": [FRIEND, OTHER], "text": f"sms {wish}", "on_uncertain": wish}
            requests[f"mms {wish}"] = {**picture, "on_uncertain": wish}
        for request_id, request in requests.items():
            await made.publish("relay/line/desk/send", {"id": request_id, **request})
        for request_id in requests:
            result = await made.ears.result(request_id)
            final = await made.ears.final(result["message_id"], len(result["copies"]))
            wanted = {"failed"} if request_id.endswith("fail") else {"submitted"}
            assert {receipt["status"] for receipt in final} == wanted
        await told_as_elsewhere(made)
        taken = Counter(line["text"] for line in made.accepted())
        assert taken == {name: 2 if name.startswith("sms") else 1 for name in requests}


async def test_what_never_reached_att_waits_or_is_sent_again_as_was_asked(tmp_path: Path, free_port: Callable[[], int]):
    """The request was written and not heeded: held, it waits for a person; to be resent, it goes once more, once."""
    async with at_home(tmp_path, free_port) as made:
        await followed(made)
        made.fault("cut-before", "send", times=2)
        for wish in ("hold", "resend"):
            await made.publish("relay/line/desk/send", {"id": wish, "to": FRIEND, "text": wish, "on_uncertain": wish})
        held, resent = await made.ears.result("hold"), await made.ears.result("resend")
        [final] = await made.ears.final(resent["message_id"], 1)
        assert final["status"] == "submitted"
        await told_as_elsewhere(made)
        assert [receipt["status"] for receipt in made.ears.receipts(held["message_id"])] == ["uncertain"]
        assert [line["text"] for line in made.accepted()] == ["resend"]
        [waiting] = [event["data"] for event in made.ears.events("dead")]
        assert (waiting["what"], waiting["line"]) == ("uncertain", "desk")
