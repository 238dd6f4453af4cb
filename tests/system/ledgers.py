"""Compares what AT&T's ledger says with what a subscriber heard: lost, doubled, uncertain."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.system.world import World


@dataclass(frozen=True)
class Comparison:
    """The findings; everything but `uncertain` and `told_losses` should be empty.

    Attributes:
        unsettled: copies of which a message store shows that they went out, and which are uncertain all the same.
        untold: texts that another device sent, and nobody was told of.
        mistaken: texts that are told to be another device's and are not, or are told twice.
    """

    unanswered: list[str]
    endless: list[str]
    doubled: list[tuple[str, str]]
    unsent: list[str]
    unheard: list[str]
    heard_twice: list[str]
    unsettled: list[str]
    untold: list[str]
    mistaken: list[str]
    uncertain: int
    told_losses: int


def compare(world: World, requests: dict[str, dict[str, Any]], texts_in: list[str]) -> Comparison:
    """Compare the ledgers of a world in which nothing moves any more.

    Args:
        world: the world.
        requests: the requests that the broker took, by id; each has its own text.
        texts_in: the texts that were sent to relay's lines; each is unique.
    """
    results = _first_results(world)
    ends = _ends(world)
    accepted = Counter((line["text"], line["to"][-10:]) for line in world.accepted())
    doubled = [key for key, times in accepted.items() if times > 1]
    unsent = [
        copy["copy_id"]
        for request_id, result in results.items()
        for copy in result["copies"]
        if ends.get(copy["copy_id"]) in {"submitted", "delivered", "undelivered", "unknown"}
        and not accepted[requests[request_id]["text"], copy["to"][-10:]]
    ]
    heard = Counter(event["data"]["text"] for event in world.ears.events("message"))
    phone = Counter(line["text"] for line in world.ledger("sent-elsewhere"))
    told = Counter(event["data"]["text"] for event in world.ears.events("event.sent-elsewhere"))
    stored = {line["text"] for line in world.ledger("stored") if line["send_id"]}
    return Comparison(
        unanswered=[request_id for request_id in requests if request_id not in results],
        endless=[
            copy["copy_id"] for result in results.values() for copy in result["copies"] if copy["copy_id"] not in ends
        ],
        doubled=doubled,
        unsent=unsent,
        unheard=_unheard(world, texts_in, heard),
        heard_twice=[text for text in texts_in if heard[text] > 1],
        unsettled=[
            copy["copy_id"]
            for request_id, result in results.items()
            for copy in result["copies"]
            if ends.get(copy["copy_id"]) == "uncertain" and requests[request_id]["text"] in stored
        ],
        untold=sorted(phone - told),
        mistaken=sorted(told - phone),
        uncertain=sum(end == "uncertain" for end in ends.values()),
        told_losses=len(world.ears.events("event.loss-suspected")),
    )


def _first_results(world: World) -> dict[str, dict[str, Any]]:
    found = [event["data"] for event in world.ears.events("result")]
    return {data["request_id"]: data for data in reversed(found) if data["outcome"] == "accepted"}


def _ends(world: World) -> dict[str, str]:
    """How each copy ended: its final status, or `uncertain` where it waits for a person."""
    ends: dict[str, str] = {}
    for event in world.ears.events("receipt"):
        receipt = event["data"]
        if receipt["final"] or (receipt["status"] == "uncertain" and receipt["copy_id"] not in ends):
            ends[receipt["copy_id"]] = receipt["status"]
    return ends


def _unheard(world: World, texts_in: list[str], heard: Counter[str]) -> list[str]:
    """Texts that nobody was told of, beyond the pages that relay itself said it may have lost.

    AT&T deletes a page as it hands it out. A page whose bytes were still on the wire when relay was killed is gone,
    and no program can have it back; what relay owes is to say so, with one `loss-suspected` for each such page.
    """
    missing = {text for text in texts_in if not heard[text]}
    handed_out = [line for line in world.ledger("handed-out") if line["service"] == "att-sms"]
    pages = {line["request"] for line in handed_out if line["text"] in missing}
    if len(pages) <= len(world.ears.events("event.loss-suspected")):
        missing -= {line["text"] for line in handed_out}
    return sorted(missing)
