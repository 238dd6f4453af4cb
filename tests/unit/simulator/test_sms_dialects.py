"""The simulated SMS API in its other dialects: REST version 2, and GSMA OneAPI as JSON, XML and forms."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from defusedxml.ElementTree import fromstring

from relay.simulator.app import Simulator, SimulatorOptions
from relay.simulator.virtual import ManualClock
from tests.unit.simulator.people import Answer, SmsUser

NUMBER, ADDRESS = "+12065550101", "tel:+12065550101"
ONEAPI = ["/2/smsmessaging", "/3/smsmessaging"]
GSMA = {"address": [ADDRESS], "outboundSMSTextMessage": {"message": "hello"}}


async def _oneapi(sms: SmsUser, inner: dict[str, Any], root: str = ONEAPI[0], sender: str = "12345") -> Answer:
    return await sms.call("POST", f"{root}/outbound/{sender}/requests", json={"outboundSMSMessageRequest": inner})


def _request_id(answer: Answer) -> str:
    """The id in the resource URL, whose last segment it is."""
    url: str = answer.json["outboundSMSMessageRequest"]["resourceURL"]
    return url.rpartition("/")[2]


@pytest.mark.parametrize(
    ("shape", "status", "name"), [("documented", 201, "ResourceUrl"), ("served", 200, "ResourceURL")]
)
async def test_rest_takes_and_answers_in_pascal_case(
    simulator: Simulator, sms: SmsUser, shape: str, status: int, name: str
) -> None:
    """SMS documentation, Quickstart and SMS Response Object."""
    simulator.set_modes("att-sms", {"shape": shape})
    body = {"Message": "SMS Message Text", "Address": [ADDRESS]}
    answer = await sms.call("POST", "/rest/sms/2/messaging/outbox", json=body)
    assert answer.status == status
    assert answer.json["ResourceReference"][name].endswith(f"/rest/sms/2/messaging/outbox/{answer.json['Id']}")
    told = await sms.call("GET", f"/rest/sms/2/messaging/outbox/{answer.json['Id']}")
    assert told.json["DeliveryInfoList"]["DeliveryInfo"] == [
        {"Id": "msg0", "Address": "2065550101", "DeliveryStatus": "DeliveredToNetwork"}
    ]
    assert [line["dialect"] for line in simulator.world.ledger.lines() if line["what"] == "accepted"] == ["rest-2"]
    assert simulator.world.violations.lines() == []


async def test_rest_names_its_inbox_in_the_query(simulator: Simulator, sms: SmsUser) -> None:
    """As in the documentation's sample."""
    simulator.world.handset.text("4257850159", "12345", "Hello")
    answer = await sms.call("GET", "/rest/sms/2/messaging/inbox?RegistrationID=12345")
    listed = answer.json["InboundSmsMessageList"]
    assert listed["InboundSmsMessage"] == [{"MessageId": "msg0", "Message": "Hello", "SenderAddress": "tel:4257850159"}]
    assert (listed["NumberOfMessagesInThisBatch"], listed["TotalNumberOfPendingMessages"]) == ("1", "0")
    assert listed["ResourceUrl"].endswith("/rest/sms/2/messaging/inbox")


async def test_rest_without_a_registration_is_refused(simulator: Simulator, sms: SmsUser) -> None:
    """It is required."""
    answer = await sms.call("GET", "/rest/sms/2/messaging/inbox")
    assert answer.json["RequestError"]["ServiceException"]["Variables"] == "RegistrationID"
    assert len(simulator.world.violations.lines()) == 1


@pytest.mark.parametrize("root", ONEAPI)
async def test_oneapi_repeats_the_request_with_its_first_status(simulator: Simulator, sms: SmsUser, root: str) -> None:
    """The GSMA's answer; the last segment of its resource URL is the id to ask with."""
    answer = await _oneapi(sms, {**GSMA, "senderAddress": "tel:12345"}, root)
    assert answer.status == 201
    inner = answer.json["outboundSMSMessageRequest"]
    assert (inner["address"], inner["senderAddress"]) == ([ADDRESS], "12345")
    assert inner["deliveryInfoList"]["deliveryInfo"] == [{"address": ADDRESS, "deliveryStatus": "DeliveredToNetwork"}]
    assert inner["resourceURL"].endswith(f"{root}/outbound/requests/12345/{_request_id(answer)}")
    assert simulator.world.violations.lines() == []


async def test_oneapi_may_answer_with_a_reference_alone(simulator: Simulator, sms: SmsUser) -> None:
    """The GSMA allows both."""
    simulator.set_modes("att-sms", {"oneapi_answer": "reference"})
    answer = await _oneapi(sms, GSMA)
    assert list(answer.json) == ["resourceReference"]
    assert answer.json["resourceReference"]["resourceURL"].endswith("/deliveryInfos")


@pytest.mark.parametrize("root", ONEAPI)
@pytest.mark.parametrize(
    "path", ["/outbound/requests/{sender}/{id}", "/outbound/{sender}/{id}", "/outbound/{sender}/requests/{id}"]
)
async def test_oneapi_tells_the_status_at_each_of_three_addresses(
    sms: SmsUser, clock: ManualClock, root: str, path: str
) -> None:
    """The documentation has two, the GSMA a third; camelCase, and no id for each recipient."""
    request_id = _request_id(await _oneapi(sms, GSMA, root))
    await clock.advance(10)
    answer = await sms.call("GET", root + path.format(sender="12345", id=request_id) + "/deliveryInfos")
    assert answer.json["deliveryInfoList"]["deliveryInfo"] == [
        {"address": ADDRESS, "deliveryStatus": "DeliveredToTerminal"}
    ]
    assert answer.json["deliveryInfoList"]["resourceURL"].endswith(
        f"{root}/outbound/requests/12345/{request_id}/deliveryInfos"
    )


@pytest.mark.parametrize("root", ONEAPI)
async def test_oneapi_s_inbox_is_xml_although_json_is_asked_for(simulator: Simulator, sms: SmsUser, root: str) -> None:
    """Accept governs errors alone; the resource URL stands on a line of its own."""
    for text in ("Hello <&> 👋", "two\r\nlines"):
        simulator.world.handset.text("4257850159", "12345", text)
    answer = await sms.call(
        "GET", f"{root}/inbound/registrations/12345/messages", headers={"Accept": "application/json"}
    )
    assert answer.headers["Content-Type"] == "application/xml; charset=utf-8"
    listed = fromstring(answer.text.encode())
    assert [message.findtext("message") for message in listed.iter("inboundSMSMessage")] == [
        "Hello <&> 👋",
        "two\r\nlines",
    ]
    assert {message.findtext("senderAddress") for message in listed.iter("inboundSMSMessage")} == {"tel:4257850159"}
    assert listed.findtext("numberOfMessagesInThisBatch") == "2"
    assert (listed.findtext("resourceURL") or "").startswith("\nhttp://")


async def test_oneapi_s_inbox_can_be_json(simulator: Simulator, sms: SmsUser) -> None:
    """By the mode."""
    simulator.set_modes("att-sms", {"format": "json"})
    simulator.world.handset.text(NUMBER, "12345", "Hello")
    answer = await sms.call("GET", f"{ONEAPI[0]}/inbound/registrations/12345/messages")
    assert answer.json["inboundSMSMessageList"]["inboundSMSMessage"] == [
        {"messageId": "msg0", "message": "Hello", "senderAddress": "tel:2065550101"}
    ]


@pytest.mark.parametrize("shape", ["documented", "served"])
async def test_every_answer_can_be_xml(simulator: Simulator, sms: SmsUser, shape: str) -> None:
    """Sends, statuses and inboxes of version 3 too."""
    simulator.set_modes("att-sms", {"format": "xml", "shape": shape, "empty_counts": True})
    sent = fromstring((await sms.send(ADDRESS)).text.encode())
    assert sent.tag == "outboundSMSResponse"
    told = fromstring((await sms.status(sent.findtext("messageId") or "")).text.encode())
    assert [one.text for one in told.iter() if one.tag.lower() == "deliverystatus"] == ["DeliveredToNetwork"]
    simulator.world.handset.text(NUMBER, "12345", "hi")
    listed = fromstring((await sms.poll()).text.encode())
    assert [one.text for one in listed.iter() if one.tag.lower() == "message"] == ["hi"]
    assert [one.text for one in listed.iter() if one.tag.lower().startswith("total")] == [None]


async def test_rest_s_answer_has_no_root_and_gets_one_in_xml(simulator: Simulator, sms: SmsUser) -> None:
    """Its name is not documented."""
    simulator.set_modes("att-sms", {"format": "xml"})
    body = {"Message": "hi", "Address": ADDRESS}
    answer = await sms.call("POST", "/rest/sms/2/messaging/outbox", json=body)
    assert (fromstring(answer.text.encode()).findtext("Id") or "").startswith("SMS")


@pytest.mark.parametrize("spelling", ["upper", "lower"])
@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/json", "application/json"),
        ("application/xml", "application/xml"),
        ("application/json, application/xml", "application/json"),
        ("*/*", "application/json"),
    ],
)
async def test_accept_governs_errors(simulator: Simulator, sms: SmsUser, accept: str, kind: str, spelling: str) -> None:
    """In both spellings."""
    simulator.set_modes("att-sms", {"errors": spelling})
    answer = await sms.call("GET", "/sms/v3/messaging/outbox/SMS0", headers={"Accept": accept})
    assert answer.status == 404
    assert answer.headers["Content-Type"].startswith(kind)
    assert "SVC0001" in answer.text
    assert ("RequestError" in answer.text) is (spelling == "upper")
    assert simulator.world.violations.lines() == []


_ATT = ("outboundSMSRequest", "address", "message", "notifyDeliveryStatus")


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/sms/v3/messaging/outbox", _ATT),
        ("/rest/sms/2/messaging/outbox", ("SmsRequest", "Address", "Message", "NotifyDeliveryStatus")),
        (
            "/2/smsmessaging/outbound/12345/requests",
            ("outboundSMSRequest", "address", "message", "notifyDeliveryStatus"),
        ),
    ],
)
@pytest.mark.parametrize("kind", ["xml", "form"])
async def test_forms_and_xml_are_taken_with_the_same_names(
    simulator: Simulator, sms: SmsUser, path: str, names: tuple[str, str, str, str], kind: str
) -> None:
    """Content-Type's other acceptable values; several addresses are repeated."""
    root, address, message, notify = names
    fields = [(address, ADDRESS), (address, "tel:2065550102"), (message, "a&b"), (notify, "false")]
    if kind == "form":
        body, content_type = urlencode(fields), "application/x-www-form-urlencoded"
    else:
        inner = "".join(f"<{name}>{value.replace('&', '&amp;')}</{name}>" for name, value in fields)
        body, content_type = f"<{root}>{inner}</{root}>", "application/xml"
    answer = await sms.call("POST", path, data=body, headers={"Content-Type": content_type})
    assert answer.status == 201
    lines = [line for line in simulator.world.ledger.lines() if line["what"] == "accepted"]
    assert [(line["to"], line["text"]) for line in lines] == [("+12065550101", "a&b"), ("+12065550102", "a&b")]
    assert simulator.world.violations.lines() == []


@pytest.mark.parametrize(
    "body",
    [
        "<a><b></a>",
        "",
        '<!DOCTYPE x [<!ENTITY e "boom">]><outboundSMSRequest><message>&e;</message></outboundSMSRequest>',
        "<outboundSMSRequest>text</outboundSMSRequest>",
    ],
)
async def test_xml_that_is_broken_or_dangerous_is_refused(sms: SmsUser, body: str) -> None:
    """SVC0002."""
    answer = await sms.call("POST", "/sms/v3/messaging/outbox", data=body, headers={"Content-Type": "application/xml"})
    assert (answer.status, answer.json["RequestError"]["ServiceException"]["MessageId"]) == (400, "SVC0002")


async def test_oneapi_takes_att_s_own_body_too(sms: SmsUser) -> None:
    """Which of the two AT&T took is not known."""
    body = {"outboundSMSRequest": {"address": ADDRESS, "message": "hi"}}
    answer = await sms.call("POST", f"{ONEAPI[0]}/outbound/12345/requests", json=body)
    assert answer.status == 201


@pytest.mark.parametrize(
    ("path", "inner"),
    [
        ("99999", GSMA),
        (NUMBER, GSMA),
        ("12345", {**GSMA, "senderAddress": "99999"}),
        ("12345", {**GSMA, "outboundSMSTextMessage": "hello"}),
        ("12345", {**GSMA, "receiptRequest": {"notifyURL": "nowhere"}}),
        ("12345", {**GSMA, "receiptRequest": {"notifyURL": "http://127.0.0.1:9/", "callbackData": 7}}),
        ("12345", {**GSMA, "receiptRequest": 7}),
    ],
)
async def test_oneapi_refuses_what_is_wrong_with_it(sms: SmsUser, path: str, inner: dict[str, Any]) -> None:
    """Another's sender, and bodies that are none."""
    answer = await _oneapi(sms, inner, sender=path)
    assert (answer.status, answer.json["RequestError"]["ServiceException"]["MessageId"]) == (400, "SVC0002")


@pytest.mark.parametrize(("honoured", "sends"), [(False, 2), (True, 1)])
async def test_a_correlator_may_be_honoured(simulator: Simulator, sms: SmsUser, honoured: bool, sends: int) -> None:
    """Then the same call again sends nothing more, and has the same id."""
    simulator.set_modes("att-sms", {"correlator": honoured})
    ids = {_request_id(await _oneapi(sms, {**GSMA, "clientCorrelator": "c-1"})) for _ in range(2)}
    assert len(ids) == sends
    assert [line["what"] for line in simulator.world.ledger.lines()].count("accepted") == sends


@pytest.fixture
async def two_codes(clock: ManualClock) -> AsyncIterator[SmsUser]:
    """An app with two short codes."""
    least = {"app_key": "demo-key", "app_secret": "demo-secret"}
    accounts = [{**least, "short_code": code, "registration_id": f"REG-{code}"} for code in ("111", "222")]
    options = SimulatorOptions(clock=clock, seed=7, accounts={"att-sms": accounts})
    async with Simulator(options) as simulator, aiohttp.ClientSession(simulator.base_url) as http:
        user = SmsUser(http)
        await user.sign_in()
        yield user


async def test_oneapi_chooses_among_an_app_s_short_codes(two_codes: SmsUser) -> None:
    """The other dialects send from the last; a status is the sender's."""
    answer = await _oneapi(two_codes, GSMA, sender="111")
    assert answer.json["outboundSMSMessageRequest"]["senderAddress"] == "111"
    request_id = _request_id(answer)
    for code, status in (("222", 404), ("111", 200)):
        told = await two_codes.call("GET", f"{ONEAPI[0]}/outbound/requests/{code}/{request_id}/deliveryInfos")
        assert told.status == status
    assert (await two_codes.status(request_id)).status == 200


@pytest.mark.parametrize(
    ("modes", "status", "code"),
    [
        ({"per_minute": 2}, 403, "POL0001"),
        ({"per_minute": 2, "throttle_as": "429"}, 429, "POL0001"),
        ({"quota": 2}, 403, "POL0001"),
        ({"quota": 2, "throttle_as": "429", "retry_after": 60}, 429, "POL0001"),
    ],
)
async def test_requests_of_every_kind_are_counted(
    simulator: Simulator, sms: SmsUser, clock: ManualClock, modes: dict[str, Any], status: int, code: str
) -> None:
    """By the minute and by the day; nothing is deleted by a poll that is one too many."""
    simulator.set_modes("att-sms", modes)
    simulator.world.handset.text(NUMBER, "12345", "kept")
    answers = [await sms.send(ADDRESS), await sms.status("SMS0"), await sms.poll()]
    assert [answer.status for answer in answers] == [201, 404, status]
    error = answers[2].json["RequestError"]["PolicyException"]
    assert error["MessageId"] == code
    assert ("quota" in error["Variables"]) is ("quota" in modes)
    await clock.advance(60)
    assert (await sms.poll()).status == (status if "quota" in modes else 200)


async def test_the_content_type_and_accept_are_those_that_are_documented(simulator: Simulator, sms: SmsUser) -> None:
    """Others are noted."""
    await sms.call(
        "GET", "/sms/v3/messaging/outbox/SMS0", headers={"Content-Type": "text/plain", "Accept": "text/html"}
    )
    assert [line["what"].split()[1] for line in simulator.world.violations.lines()] == ["Content-Type", "Accept"]


@pytest.mark.parametrize(
    ("inner", "violation"),
    [
        ({"address": [ADDRESS], "message": "x" * 4097}, "4096"),
        ({"address": [ADDRESS], "message": ""}, "no message"),
        ({"address": [], "message": "x"}, "no address"),
        ({"address": [ADDRESS] * 51, "message": "x"}, "50 at most"),
    ],
)
async def test_what_the_documents_forbid_about_a_send_is_noted(
    simulator: Simulator, sms: SmsUser, inner: dict[str, Any], violation: str
) -> None:
    """And refused."""
    assert (await sms.post(json.dumps({"outboundSMSRequest": inner}))).status == 400
    assert [violation in line["what"] for line in simulator.world.violations.lines()] == [True]
