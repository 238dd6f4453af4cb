"""Three ledgers that were kept outside relay -> what was lost, doubled, or never ended. The only judge of the battery.

AT&T's ledger says what it took and handed out, the subscriber's what was heard on the bus, the publisher's what was
asked for: a command stands there once the broker has acknowledged it, a text in once AT&T has it. Each is a file of
JSON lines in the world's folder, appended to by who acts, and read here and nowhere else.

Every request of a world has an id of its own, and every text, out or in, is unlike all others.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

Line = Mapping[str, Any]

ATT, SUBSCRIBER, PUBLISHER = "att.jsonl", "subscriber.jsonl", "publisher.jsonl"
HANDED_OVER = frozenset({"submitted", "delivered", "undelivered", "unknown"})


@dataclass(frozen=True)
class Ledgers:
    """What the three say.

    Attributes:
        att: what the simulator wrote, in its words.
        heard: `{"topic", "event"}`, one for each time that something was heard.
        asked: `{"what": "command", "topic", "payload"}`, `{"what": "text-in", "text"}`, and `{"what": "leave", "text"}`
            where somebody allowed a text to go out once more.
    """

    att: Sequence[Line]
    heard: Sequence[Line]
    asked: Sequence[Line]

    @classmethod
    def of(cls, folder: Path) -> "Ledgers":
        """Those of a world's folder."""
        return cls(*(LedgerReader(folder / name).lines() for name in (ATT, SUBSCRIBER, PUBLISHER)))


class LedgerReader:
    """Reads a ledger that may still grow; each line is parsed once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._lines: list[Line] = []

    def lines(self) -> Sequence[Line]:
        """All whole lines until now."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._offset)
                read = file.read()
            whole = read[: read.rfind(b"\n") + 1]
            self._offset += len(whole)
            self._lines += map(json.loads, whole.splitlines())
        return self._lines


@dataclass(frozen=True)
class Findings:
    """What the ledgers do not agree about. All but the numbers should be empty.

    Attributes:
        unanswered: commands, by id or `ref`, that the broker took and nobody answered.
        endless: copies that were accepted and neither ended nor wait for a person.
        unsent: copies that are told to be handed over, and AT&T has none.
        unheard: texts in that nobody was told of, and nobody was told to be lost.
        doubled: (text, number) that AT&T took more often than was asked for, without leave.
        heard_twice: texts in that were told as two messages.
        answered_twice: requests with two first answers.
        two_ends: copies with two final receipts.
        altered: ids of events that were heard with two bodies.
        unsettled: copies of which a message store shows that they went out, and which are uncertain all the same.
        untold: texts that another device sent, and nobody was told of.
        mistaken: texts that are told to be another device's and are not, or are told twice.
        uncertain: how many copies wait for a person.
        told_losses: how often relay itself said that a page may be lost.
        redelivered: how often an event was heard once more under its own id, which is allowed.
        with_leave: how often AT&T took a text once more where that was allowed.
        unjudged: commands with neither id nor `ref`.
    """

    unanswered: list[str]
    endless: list[str]
    unsent: list[str]
    unheard: list[str]
    doubled: list[tuple[str, str]]
    heard_twice: list[str]
    answered_twice: list[str]
    two_ends: list[str]
    altered: list[str]
    unsettled: list[str]
    untold: list[str]
    mistaken: list[str]
    uncertain: int
    told_losses: int
    redelivered: int
    with_leave: int
    unjudged: int

    @property
    def lost(self) -> int:
        """How much was acknowledged and is nowhere, or has no end."""
        return sum(map(len, (self.unanswered, self.endless, self.unsent, self.unheard, self.unsettled, self.untold)))

    @property
    def twice(self) -> int:
        """How much happened twice without leave."""
        found = (self.doubled, self.heard_twice, self.answered_twice, self.two_ends, self.altered, self.mistaken)
        return sum(map(len, found))

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost and nothing doubled."""
        return not (self.lost or self.twice)

    def __str__(self) -> str:
        """What was found, without what is empty."""
        shown = {field.name: getattr(self, field.name) for field in fields(self)}
        return ", ".join(f"{name} {value}" for name, value in shown.items() if value) or "nothing"


def judge(ledgers: Ledgers) -> Findings:
    """Compare ledgers of a world in which nothing moves any more."""
    events = _events(ledgers.heard)
    requests = {name: line["payload"] for line in _commands(ledgers, "send") if (name := _name(line)) is not None}
    copies = _copies(events, requests)
    ends = _ends(events, copies)
    return Findings(
        **_outbound(ledgers, requests, copies, ends),
        **_inbound(ledgers, events),
        **_elsewhere(ledgers, events),
        unanswered=_unanswered(ledgers, events),
        endless=[copy["copy_id"] for _, copy in copies if copy["copy_id"] not in ends],
        answered_twice=_answered_twice(events),
        two_ends=_repeated(data["copy_id"] for data in _data(events, "receipt") if data["final"] and not _late(data)),
        altered=_altered(ledgers.heard),
        uncertain=sum(end == "uncertain" for end in ends.values()),
        redelivered=sum("id" in line["event"] for line in ledgers.heard) - len(events),
        unjudged=sum(_name(line) is None for line in _commands(ledgers)),
    )


def _events(heard: Iterable[Line]) -> Sequence[Line]:
    """Every event once, as it was heard first."""
    found: dict[str, Line] = {}
    for line in heard:
        if "id" in line["event"]:
            found.setdefault(line["event"]["id"], line["event"])
    return list(found.values())


def _data(events: Iterable[Line], kind: str) -> list[Line]:
    return [event["data"] for event in events if event["type"] == f"relay.{kind}.v1"]


def _commands(ledgers: Ledgers, verb: str | None = None) -> list[Line]:
    commands = (line for line in ledgers.asked if line["what"] == "command")
    return [line for line in commands if verb is None or _verb(line) == verb]


def _verb(line: Line) -> str:
    return str(line["topic"]).split("/")[3]


def _name(line: Line) -> str | None:
    """By what a command's answer is known."""
    payload = line["payload"]
    return payload.get("id") or payload.get("ref") if isinstance(payload, dict) else None


def _copies(events: Iterable[Line], requests: Mapping[str, Line]) -> Sequence[tuple[str, Line]]:
    """The copies of the requests that were accepted, each with its text."""
    # A request that is sent anew after a crash is answered again, and with it its copies are told again.
    first = {data["request_id"]: data for data in reversed(_data(events, "result")) if data["outcome"] == "accepted"}
    wanted = ((requests[name].get("text", ""), data) for name, data in first.items() if name in requests)
    return [(text, copy) for text, data in wanted for copy in data["copies"]]


def _ends(events: Iterable[Line], copies: Iterable[tuple[str, Line]]) -> Mapping[str, str]:
    """How each copy ended: its final status, or `uncertain` where it waits for a person."""
    ends = {copy["copy_id"]: "failed" for _, copy in copies if copy["status"] == "failed"}
    for receipt in _data(events, "receipt"):
        if receipt["final"] or (receipt["status"] == "uncertain" and receipt["copy_id"] not in ends):
            ends[receipt["copy_id"]] = receipt["status"]
    return ends


def _outbound(
    ledgers: Ledgers,
    requests: Mapping[str, Line],
    copies: Iterable[tuple[str, Line]],
    ends: Mapping[str, str],
) -> dict[str, Any]:
    """What AT&T has of the copies."""
    taken = Counter((line["text"], _short(line["to"])) for line in _att(ledgers, "accepted"))
    # Without an acceptance to show for it, nothing may be sent: but the answer may still be on its way.
    doubled = {key: times - 1 for key, times in taken.items() if times > 1}
    leave = {line["text"] for line in ledgers.asked if line["what"] == "leave"}
    leave |= {request["text"] for request in requests.values() if request.get("on_uncertain") == "resend"}
    stored = {line["text"] for line in _att(ledgers, "stored") if line["send_id"]}
    return {
        "unsent": [
            copy["copy_id"]
            for text, copy in copies
            if ends.get(copy["copy_id"]) in HANDED_OVER and not taken[text, _short(copy["to"])]
        ],
        "doubled": [key for key in doubled if key[0] not in leave],
        "with_leave": sum(times for key, times in doubled.items() if key[0] in leave),
        "unsettled": [
            copy["copy_id"] for text, copy in copies if ends.get(copy["copy_id"]) == "uncertain" and text in stored
        ],
    }


def _inbound(ledgers: Ledgers, events: Sequence[Line]) -> dict[str, Any]:
    """What was told of the texts in.

    AT&T deletes a page as it hands it out. A page whose bytes were still on the wire when relay was killed is gone,
    and no program can have it back; what relay owes is to say so, with one `loss-suspected` for each such page, and
    one where AT&T discarded what nobody fetched in time.
    """
    texts = [line["text"] for line in ledgers.asked if line["what"] == "text-in"]
    heard = Counter(data["text"] for data in _data(events, "message"))
    # A page that cannot be read is kept, and listed for a person.
    told = len(_data(events, "event.loss-suspected"))
    told += sum(data.get("what") == "inbox" for data in _data(events, "dead"))
    missing = {text for text in texts if not heard[text]}
    handed_out = [line for line in _att(ledgers, "handed-out") if line["service"] == "att-sms"]
    purged = {line["text"] for line in _att(ledgers, "purged")} & missing
    pages = {line["request"] for line in handed_out if line["text"] in missing}
    if len(pages) + bool(purged) <= told:
        missing -= {line["text"] for line in handed_out} | purged
    return {
        "unheard": sorted(missing),
        "heard_twice": sorted({text for text in texts if heard[text] > 1}),
        "told_losses": told,
    }


def _elsewhere(ledgers: Ledgers, events: Sequence[Line]) -> dict[str, Any]:
    """What was told of the texts that another device sent."""
    sent = Counter(line["text"] for line in _att(ledgers, "sent-elsewhere"))
    told = Counter(data["text"] for data in _data(events, "event.sent-elsewhere"))
    return {"untold": sorted(sent - told), "mistaken": sorted(told - sent)}


def _unanswered(ledgers: Ledgers, events: Sequence[Line]) -> list[str]:
    """A command that names a request is not answered by the request's own result."""
    answers: defaultdict[bool, set[str]] = defaultdict(set)
    for data in _data(events, "result"):
        for is_send in {data["outcome"] == "accepted"} if data["outcome"] != "rejected" else {True, False}:
            answers[is_send] |= {data["request_id"], data["ref"]}
    asked = [(_name(line), _verb(line) == "send") for line in _commands(ledgers)]
    return sorted({name for name, is_send in asked if name is not None and name not in answers[is_send]})


def _answered_twice(events: Sequence[Line]) -> list[str]:
    results = _data(events, "result")
    return _repeated(data["request_id"] for data in results if data["outcome"] == "accepted" and not data["replayed"])


def _altered(heard: Iterable[Line]) -> list[str]:
    bodies: dict[str, Line] = {}
    events = (line["event"] for line in heard if "id" in line["event"])
    return sorted({event["id"] for event in events if bodies.setdefault(event["id"], event) != event})


def _late(receipt: Line) -> bool:
    return bool(receipt.get("late"))


def _repeated(names: Iterable[str]) -> list[str]:
    return sorted(name for name, times in Counter(names).items() if times > 1)


def _att(ledgers: Ledgers, what: str) -> list[Line]:
    return [line for line in ledgers.att if line["what"] == what]


def _short(number: str) -> str:
    """A number as all of AT&T's services end it."""
    return number[-10:]
