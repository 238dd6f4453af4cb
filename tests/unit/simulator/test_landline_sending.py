"""message/send at simulated Landline Texting."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from relay.simulator.app import Simulator
from relay.simulator.virtual import ManualClock
from tests.unit.simulator.people import SESSION, LandlineUser, Listener, read

ONE, TWO = "+12065550101", "+12065550102"


def _accepted(simulator: Simulator) -> list[dict[str, Any]]:
    return [line for line in simulator.world.ledger.lines() if line["what"] == "accepted"]


async def test_each_recipient_gets_a_token_with_a_message_id_of_its_own(landline: LandlineUser) -> None:
    """Ids above 2^53, a root that is none of them, a contact above 2^31 as a bare number."""
    answer = await landline.send(ONE, TWO)
    assert (answer.status, answer.json["success"]) == (200, True)
    response = answer.json["response"]
    ids = [token["message"] for token in response["tokens"]]
    assert all(isinstance(one, str) and int(one) > 2**53 for one in ids)
    assert len({response["root"], *ids}) == 3
    assert all(token["contact"] > 2**31 and isinstance(token["device"], int) for token in response["tokens"])
    assert len({token["fingerprint"] for token in response["tokens"]}) == 2


async def test_message_ids_can_be_bare_numbers(simulator: Simulator, landline: LandlineUser) -> None:
    """As the ids of web hooks are."""
    simulator.set_modes("att-landline", {"send_ids": "int"})
    assert isinstance((await landline.send(ONE)).json["response"]["tokens"][0]["message"], int)


async def test_tokens_are_in_the_order_of_the_contacts(simulator: Simulator, landline: LandlineUser) -> None:
    """Nothing else tells which is whose; the ledger agrees."""
    numbers = [f"+120655502{n:02}" for n in range(1, 13)]
    tokens = (await landline.send(*numbers)).json["response"]["tokens"]
    lines = _accepted(simulator)
    assert [line["to"] for line in lines] == numbers
    assert [line["message_id"] for line in lines] == [token["message"] for token in tokens]
    assert [line["ref"] for line in lines] == [token["message"] for token in tokens]


@pytest.mark.parametrize(
    "contact", ["2065550101", "+12065550101", "12065550101", "ptn:/2065550101", "tel:+12065550101"]
)
async def test_every_form_of_a_number_is_taken(simulator: Simulator, landline: LandlineUser, contact: str) -> None:
    """The document's table says ten digits, its samples E.164."""
    assert (await landline.send(contact)).json["success"] is True
    assert [line["to"] for line in _accepted(simulator)] == [ONE]


async def test_a_query_works_like_a_form(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    """With GET, and with POST."""
    query = [("session", SESSION), ("contacts", ONE), ("contacts", TWO), ("body", "hi")]
    for method in ("GET", "POST"):
        answer = await read(http.request(method, "/message/send", params=query))
        assert answer.json["success"] is True
    assert len(_accepted(simulator)) == 4


@pytest.mark.parametrize(
    "path", ["/message/send", "/webhook/add", "/webhook/list", "/webhook/update", "/webhook/delete"]
)
async def test_a_bad_session_is_forbidden_everywhere(landline: LandlineUser, path: str) -> None:
    """403, in JSON."""
    answer = await landline.call(path, session="11111111-0000-0000-0000-000000000000:1")
    assert (answer.status, answer.json["success"]) == (403, False)


async def test_a_session_lasts_until_it_is_revoked(
    simulator: Simulator, landline: LandlineUser, clock: ManualClock
) -> None:
    """It does not expire."""
    await clock.advance(400 * 86_400)
    assert (await landline.send(ONE)).status == 200
    simulator.act("att-landline", "revoke-sessions", {"line": "+12065550100"})
    assert (await landline.send(ONE)).status == 403


@pytest.mark.parametrize(
    ("contacts", "body"),
    [
        ([], "hi"),
        ([ONE], ""),
        ([ONE], "x" * 251),
        ([ONE], "\u00e9" * 126),
        (["206555"], "hi"),
        ([ONE, "+12065550115"], "hi"),
        ([f"+120660000{n:02}" for n in range(16)], "hi"),
    ],
    ids=["nobody", "nothing", "251 bytes", "252 bytes", "no number", "an invalid one", "16"],
)
async def test_bad_arguments_refuse_the_whole_call(
    simulator: Simulator, landline: LandlineUser, contacts: list[str], body: str
) -> None:
    """-703, and nothing is sent."""
    answer = await landline.send(*contacts, body=body)
    assert answer.status == 200
    assert answer.json == {"response": {"code": -703, "desc": "Bad arguments"}, "success": False}
    assert _accepted(simulator) == []


async def test_the_limits_themselves_pass(landline: LandlineUser) -> None:
    """Fifteen contacts, 250 bytes."""
    contacts = [f"+120660000{n:02}" for n in range(15)]
    assert len((await landline.send(*contacts, body="\u00e9" * 125)).json["response"]["tokens"]) == 15


async def test_failures_can_come_with_http_400(simulator: Simulator, landline: LandlineUser) -> None:
    """Both were seen."""
    simulator.set_modes("att-landline", {"failure_http": "400"})
    assert (await landline.send("1")).status == 400


async def test_a_contact_twice_gives_one_token(simulator: Simulator, landline: LandlineUser) -> None:
    """And is noted."""
    assert len((await landline.send(ONE, "2065550101")).json["response"]["tokens"]) == 1
    assert ["twice" in line["what"] for line in simulator.world.violations.lines()] == [True]


async def test_a_plus_that_became_a_blank_is_noted(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    """`+` has to travel as %2B."""
    form = f"session={SESSION}&contacts=+12065550101&body=hi"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    await read(http.post("/message/send", data=form, headers=headers))
    assert ["%2B" in line["what"] for line in simulator.world.violations.lines()] == [True]


@pytest.mark.parametrize(
    ("contacts", "code", "accepted"),
    [
        (["+12065550123"], -124, 0),
        (["+12065550120"], -855, 0),
        (["+12065550121"], -1, 1),
        ([ONE, "+12065550121"], -1, 2),
    ],
)
async def test_a_number_s_fate_can_refuse_the_call(
    simulator: Simulator, landline: LandlineUser, contacts: list[str], code: int, accepted: int
) -> None:
    """-1 is the one that lies: the text goes out."""
    answer = await landline.send(*contacts)
    assert answer.json["response"]["code"] == code
    assert len(_accepted(simulator)) == accepted
    again = await landline.send(*contacts)
    assert again.json["success"] is (code != -124)


async def test_a_flagged_line_sends_nothing(simulator: Simulator, landline: LandlineUser) -> None:
    """-801, until the flag is lifted."""
    simulator.set_modes("att-landline", {"spam": True})
    assert (await landline.send(ONE)).json["response"]["code"] == -801
    simulator.set_modes("att-landline", {"spam": False})
    assert (await landline.send(ONE)).json["success"] is True


async def test_whoever_said_stop_gets_nothing_until_they_say_unstop(
    simulator: Simulator, landline: LandlineUser
) -> None:
    """-1234, for the call as a whole; others are not touched."""
    handset = simulator.world.handset
    handset.text(ONE, "+12065550100", " Stop ")
    assert (await landline.send(TWO)).json["success"] is True
    assert (await landline.send(TWO, ONE)).json["response"]["code"] == -1234
    handset.text(ONE, "+12065550100", "unstop")
    assert (await landline.send(ONE)).json["success"] is True
    whats = [line["what"] for line in simulator.world.ledger.lines()]
    assert (whats.count("stopped"), whats.count("unstopped")) == (1, 1)


async def test_a_handset_that_answers_stop_is_stopped(
    simulator: Simulator, landline: LandlineUser, clock: ManualClock
) -> None:
    """Its answer comes once the text has reached it."""
    assert (await landline.send("+12065550117")).json["success"] is True
    await clock.advance(30)
    assert (await landline.send("+12065550117")).json["response"]["code"] == -1234
    assert [line["number"] for line in simulator.world.ledger.lines() if line["what"] == "stopped"] == ["+12065550117"]


async def test_stop_can_come_as_progress(
    simulator: Simulator, landline: LandlineUser, clock: ManualClock, listener: Listener
) -> None:
    """The send is taken, and -1234 follows."""
    simulator.set_modes("att-landline", {"stop": "async"})
    await landline.hook("progress", f"{listener.url}/progress")
    simulator.world.handset.text(ONE, "+12065550100", "STOP")
    assert (await landline.send(ONE)).json["success"] is True
    await clock.advance(30)
    assert listener.codes() == [-1234]


@pytest.mark.parametrize(
    ("shown", "mode", "good"),
    [
        ("{}000", "strict", True),
        ("{}000", "lenient", True),
        ("{}", "lenient", True),
        ("{}", "strict", False),
        ("{}0000", "lenient", True),
        ("{}0000", "strict", False),
    ],
    ids=["ms strict", "ms", "seconds", "seconds strict", "the typo", "the typo strict"],
)
async def test_a_scheduled_text_goes_out_on_the_clock(  # noqa: PLR0917 - fixtures are arguments
    simulator: Simulator,
    landline: LandlineUser,
    clock: ManualClock,
    listener: Listener,
    shown: str,
    mode: str,
    good: bool,
) -> None:
    """Milliseconds since 1970; in lenient mode seconds, and the document's 14 digits, are understood."""
    simulator.set_modes("att-landline", {"dates": mode})
    await landline.hook("send", f"{listener.url}/send")
    tomorrow = int((clock.now() + timedelta(days=1)).timestamp())
    answer = await landline.send(ONE, scheduledDate=shown.format(tomorrow))
    assert answer.json["success"] is good
    await clock.advance(86_399)
    assert listener.heard == []
    await clock.advance(2)
    assert len(listener.heard) == good
    if good:
        when = datetime.fromisoformat(listener.heard[0][2]["scheduledDate"])
        assert when.astimezone(UTC) == datetime.fromtimestamp(tomorrow, UTC)


@pytest.mark.parametrize("date", ["soon", "-1479327527000", "\u0661" * 13, "14"])
async def test_a_date_that_is_none_is_a_bad_argument(landline: LandlineUser, date: str) -> None:
    """-703."""
    assert (await landline.send(ONE, scheduledDate=date)).json["response"]["code"] == -703


async def test_a_date_in_the_past_means_now(landline: LandlineUser, clock: ManualClock, listener: Listener) -> None:
    """The document does not say."""
    await landline.hook("send", f"{listener.url}/send")
    await landline.send(ONE, scheduledDate="1447707527000")
    await clock.advance(1)
    assert len(listener.heard) == 1


async def test_bytes_that_are_no_text_are_a_bad_request(http: aiohttp.ClientSession) -> None:
    """Rather than breaking the simulator."""
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    assert (await read(http.post("/message/send", data=b"session=\xff", headers=headers))).status == 400


async def test_ids_survive_only_as_exact_integers(simulator: Simulator, landline: LandlineUser) -> None:
    """Read as a float, a message id is another's."""
    simulator.set_modes("att-landline", {"send_ids": "int"})
    answers = [await landline.send(ONE) for _ in range(20)]
    exact = [json.loads(answer.text)["response"]["tokens"][0]["message"] for answer in answers]
    assert [line["message_id"] for line in _accepted(simulator)] == [str(one) for one in exact]
    assert any(int(float(one)) != one for one in exact)
