"""Every operation of the SMS service over real sockets: as documented and as served, and nothing that AT&T forbids."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from aiohttp import web

from relay.domain.messages import RawAnswer
from relay.domain.states import Fact

DELIVERED, IMPOSSIBLE = "+12065550001", "+12065550113"

DIALECTS: dict[str, dict[str, Any]] = {
    "v3": {},
    "REST v2": {"dialect": "rest2"},
    "OneAPI v2": {"dialect": "oneapi"},
    "OneAPI v3": {"dialect": "oneapi", "oneapi_version": 3},
}
LEDGER_NAMES = {"v3": "v3", "REST v2": "rest-2", "OneAPI v2": "oneapi-2", "OneAPI v3": "oneapi-3"}
SERVED = {"shape": "served", "single_object": True, "empty_counts": True, "errors": "lower"}
SHAPES: list[tuple[str, dict[str, Any]]] = [
    ("documented", {}),
    ("served", {**SERVED, "format": "json", "oneapi_answer": "reference"}),
    ("served", {**SERVED, "format": "xml"}),
    ("served", {"format": "xml", "oneapi_answer": "reference"}),
]


def cases(operation: str, dialects: dict[str, dict[str, Any]]) -> list[Any]:
    """Every dialect in every shape, each marked as the operation that it is."""
    return [
        pytest.param(
            name,
            settings,
            modes,
            marks=pytest.mark.operation("att-sms", f"{operation} ({name})", shape),
            id=f"{name}-{shape}-{modes.get('format', 'default')}-{modes.get('oneapi_answer', 'default')}",
        )
        for name, settings in dialects.items()
        for shape, modes in SHAPES
    ]


def status_paths() -> dict[str, dict[str, Any]]:
    """The dialects, with OneAPI once for each of its paths."""
    plain = {name: settings for name, settings in DIALECTS.items() if not name.startswith("OneAPI")}
    variants = {
        f"{name}, {path} path": {**settings, "oneapi_status_path": path}
        for name, settings in DIALECTS.items()
        if name.startswith("OneAPI")
        for path in ("resource", "example", "gsma")
    }
    return plain | variants


@pytest.fixture(autouse=True)
def nothing_forbidden(simulator: Any) -> Iterator[None]:
    """AT&T objects to none of the requests."""
    yield
    assert simulator.world.violations.lines() == []


class Listener:
    """A customer's address, and what AT&T has posted to it."""

    def __init__(self) -> None:
        self.url = ""
        self.posted: asyncio.Queue[RawAnswer] = asyncio.Queue()

    async def take(self, request: web.Request) -> web.Response:
        """Keep the bytes."""
        self.posted.put_nowait(RawAnswer(await request.read(), request.content_type))
        return web.Response()

    async def next(self) -> RawAnswer:
        """What comes next."""
        async with asyncio.timeout(10):
            return await self.posted.get()


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    """It listens."""
    made, app = Listener(), web.Application()
    app.router.add_post("/hooks/alerts/s3cret", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks/alerts/s3cret"
    yield made
    await runner.cleanup()


@pytest.mark.parametrize(
    "modes",
    [
        pytest.param({}, marks=pytest.mark.operation("att-sms", "Get Access Token", "documented")),
        pytest.param(
            {"expires_in_form": "string", "refresh_tokens": False},
            marks=pytest.mark.operation("att-sms", "Get Access Token", "served"),
        ),
    ],
)
async def test_a_token_is_had(simulator: Any, line: Any, modes: dict[str, Any]) -> None:
    """Its life as a number or a text, with a refresh token or without."""
    simulator.set_modes("att-sms", modes)
    assert "good for 48.0 h" in await line.verify()


@pytest.mark.parametrize(("name", "settings", "modes"), cases("Send SMS", DIALECTS))
async def test_a_text_goes_out_in_every_dialect(
    simulator: Any, connect: Any, call: Any, name: str, settings: dict[str, Any], modes: dict[str, Any]
) -> None:
    """To each recipient once, as it was written, with an id to ask for."""
    simulator.set_modes("att-sms", modes)
    line = await connect(**settings)
    answer = await line.send(call(DELIVERED, "+12065550002", text='Grüße — "<&>" 👋'))
    taken = [one for one in simulator.world.ledger.lines() if one["what"] == "accepted"]
    assert [(one["to"], one["text"]) for one in taken] == [
        (DELIVERED, 'Grüße — "<&>" 👋'),
        ("+12065550002", 'Grüße — "<&>" 👋'),
    ]
    assert {(one["dialect"], one["line"], one["message_id"]) for one in taken} == {
        (LEDGER_NAMES[name], "12345", answer.ref)
    }
    assert [handover.fact for handover in answer.handovers] == [Fact.SUBMITTED] * 2


@pytest.mark.parametrize(("name", "settings", "modes"), cases("Get SMS Delivery Status", status_paths()))
async def test_a_text_is_followed_in_every_dialect(  # noqa: PLR0917 - fixtures, and a row of the table above
    simulator: Any, connect: Any, clock: Any, call: Any, name: str, settings: dict[str, Any], modes: dict[str, Any]
) -> None:
    """Each recipient has an end of its own."""
    simulator.set_modes("att-sms", modes)
    line = await connect(**settings)
    for numbers, facts in (
        ((DELIVERED,), [Fact.DELIVERED]),
        ((DELIVERED, IMPOSSIBLE), [Fact.DELIVERED, Fact.UNDELIVERED]),
    ):
        ref = (await line.send(call(*numbers))).ref
        await clock.advance(60)
        reports = line.read_status(ref, await line.fetch_status(ref))
        assert [(report.address.digits10, report.position) for report in reports] == [
            (number[-10:], place) for place, number in enumerate(numbers)
        ]
        assert [report.fact for report in reports] == facts, name


@pytest.mark.parametrize(("name", "settings", "modes"), cases("Get SMS", DIALECTS))
async def test_an_inbox_is_emptied_in_every_dialect(
    simulator: Any, connect: Any, clock: Any, name: str, settings: dict[str, Any], modes: dict[str, Any]
) -> None:
    """Page by page, and nothing is there at the end; the texts are as they were written."""
    simulator.set_modes("att-sms", {**modes, "batch": 2})
    line = await connect(**settings)
    texts = ["STOP", " zwei\n<&> ", "drei — 👋"]
    for text in texts:
        simulator.world.handset.text(sender=DELIVERED, to="12345", text=text)
    pages = [line.read_inbox(await line.fetch_inbox()) for _ in range(2)]
    await clock.advance(line.poll_interval)
    pages.append(line.read_inbox(await line.fetch_inbox()))
    assert [page.pending for page in pages] == [1, 0, 0], name
    messages = [message for page in pages for message in page.messages]
    assert [(message.sender.value, message.recipient, message.text) for message in messages] == [
        (DELIVERED, "12345", text) for text in texts
    ]


CALLBACK_SHAPES: list[tuple[str, dict[str, Any]]] = [
    ("documented", {}),
    ("served", {"sender_form": "encoded", "date_form": "log"}),
    ("served", {"sender_form": "ten", "date_form": "iso"}),
]


@pytest.mark.parametrize(
    "modes",
    [
        pytest.param(modes, marks=pytest.mark.operation("att-sms", "Receive SMS", shape))
        for shape, modes in CALLBACK_SHAPES
    ],
)
async def test_a_text_is_called_back(
    simulator: Any, connect: Any, clock: Any, listener: Listener, modes: dict[str, Any]
) -> None:
    """Whatever the form of its sender and its time; and one that comes twice is recognised."""
    simulator.set_modes("att-sms", {**modes, "duplicate": 1})
    simulator.act("att-sms", "register", {"short_code": "12345", "message_url": listener.url})
    line = await connect(receive="callback")
    assert (line.polls_inbox, line.hook_events) == (False, ("message",))
    simulator.world.handset.text(sender=DELIVERED, to="12345", text="Hello — 👋")
    first = await listener.next()
    await clock.advance(5)
    readings = [line.read_hook("message", raw) for raw in (first, await listener.next())]
    assert {(one.sender.value, one.recipient, one.text) for reading in readings for one in reading.messages} == {
        (DELIVERED, "12345", "Hello — 👋")
    }
    (key,) = {one.dedupe_key for reading in readings for one in reading.messages}
    assert key is not None
    assert all(one.provider_time is not None for reading in readings for one in reading.messages)


@pytest.mark.parametrize(("name", "settings"), DIALECTS.items())
@pytest.mark.parametrize(
    "modes",
    [
        pytest.param(modes, marks=pytest.mark.operation("att-sms", "Receive SMS Delivery Status", shape))
        for shape, modes in (
            ("documented", {}),
            ("served", {"notify_reference": True, "notify_progress": True, "duplicate": 1}),
            ("served", {"early": True}),
        )
    ],
)
async def test_delivery_status_is_called_back(  # noqa: PLR0917 - as above
    simulator: Any,
    connect: Any,
    clock: Any,
    call: Any,
    listener: Listener,
    name: str,
    settings: dict[str, Any],
    modes: dict[str, Any],
) -> None:
    """One POST a recipient, under the id by which the call is known here; perhaps before the send is answered."""
    simulator.set_modes("att-sms", modes)
    simulator.act("att-sms", "register", {"short_code": "12345", "delivery_url": listener.url})
    line = await connect(**settings, receipts="callback", oneapi_notify_url=listener.url)
    assert (line.asks_status, line.hook_events) == (False, ("delivery",))
    answer = await line.send(call(DELIVERED, IMPOSSIBLE))
    assert answer.ref is not None
    await clock.advance(60)
    told: dict[str, Fact] = {}
    while len(told) < 2:
        (report,) = line.read_hook("delivery", await listener.next()).reports
        assert report.ref == answer.ref, name
        if report.fact is not Fact.ON_NETWORK:
            told[report.address.value] = report.fact
    assert told == {DELIVERED: Fact.DELIVERED, IMPOSSIBLE: Fact.UNDELIVERED}


async def test_oneapi_takes_at_t_s_own_body_too(simulator: Any, connect: Any, call: Any, listener: Listener) -> None:
    """Which of the two AT&T took is not known: it is a setting."""
    simulator.act("att-sms", "register", {"short_code": "12345", "delivery_url": listener.url})
    line = await connect(dialect="oneapi", oneapi_body="att", receipts="callback")
    answer = await line.send(call(DELIVERED))
    (taken,) = [one for one in simulator.world.ledger.lines() if one["what"] == "accepted"]
    assert (taken["dialect"], taken["message_id"]) == ("oneapi-2", answer.ref)


async def test_oneapi_s_correlator_sends_a_call_once(simulator: Any, connect: Any, call: Any) -> None:
    """Where it is honoured, a call that is made again after an unknown outcome is no second text."""
    simulator.set_modes("att-sms", {"correlator": True})
    line = await connect(dialect="oneapi")
    refs = {(await line.send(call(DELIVERED))).ref for _ in range(2)}
    assert len(refs) == 1
    assert sum(one["what"] == "accepted" for one in simulator.world.ledger.lines()) == 1


async def test_without_a_registered_listener_a_text_goes_out_without_receipts(
    simulator: Any, connect: Any, call: Any
) -> None:
    """AT&T refuses the wish (SVC0283), and the text is sent again without it: once."""
    line = await connect(receipts="callback")
    answer = await line.send(call(DELIVERED))
    assert (answer.ref, answer.handovers[0].fact) == (None, Fact.SUBMITTED_UNTRACKED)
    assert sum(one["what"] == "accepted" for one in simulator.world.ledger.lines()) == 1


async def test_a_call_back_that_cannot_be_matched_leaves_the_text_untracked(
    simulator: Any, connect: Any, call: Any, listener: Listener
) -> None:
    """Some answers have no id where delivery status is called back."""
    simulator.set_modes("att-sms", {"notify_id": False})
    simulator.act("att-sms", "register", {"short_code": "12345", "delivery_url": listener.url})
    line = await connect(receipts="callback")
    answer = await line.send(call(DELIVERED))
    assert (answer.ref, answer.handovers[0].fact) == (None, Fact.SUBMITTED_UNTRACKED)
