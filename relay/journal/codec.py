"""Domain values <-> what the journal keeps of them as JSON. No SQL."""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from relay.domain.addresses import Address, AddressKind
from relay.domain.errors import ErrorCode, Problem, ProviderDetail
from relay.domain.messages import DeliveryReport, Media, Reply
from relay.domain.states import Fact
from relay.journal.columns import as_json


def timestamp(moment: datetime | None) -> str | None:
    """A time as the contract writes it: RFC 3339, UTC, milliseconds."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def reply_out(reply: Reply) -> dict[str, Any] | None:
    """A reply to be kept; None where there is nothing in it."""
    if reply.topic is None and reply.correlation is None and reply.traceparent is None:
        return None
    correlation = None if reply.correlation is None else b64encode(reply.correlation).decode("ascii")
    return {"topic": reply.topic, "correlation": correlation, "traceparent": reply.traceparent}


def reply_in(kept: Mapping[str, Any] | None) -> Reply:
    """A reply that was kept."""
    if kept is None:
        return Reply()
    correlation = kept["correlation"]
    return Reply(kept["topic"], None if correlation is None else b64decode(correlation), kept["traceparent"])


def content_out(text: str | None, subject: str | None, media: tuple[Media, ...], *, group: bool) -> bytes:
    """What a message says, to be kept."""
    attached = [[one.content_type, one.filename, b64encode(one.data).decode("ascii")] for one in media]
    return as_json({"text": text, "subject": subject, "media": attached, "group": group})


def content_in(kept: bytes) -> dict[str, Any]:
    """`text`, `subject`, `media` and `group`, as they were kept."""
    content: dict[str, Any] = json.loads(kept)
    content["media"] = tuple(Media(kind, name, b64decode(data)) for kind, name, data in content["media"])
    return content


def problem_in(body: Mapping[str, Any] | None) -> Problem | None:
    """The problem whose body (`Problem.as_body`) was kept; raises ValueError where it is damaged."""
    if body is None:
        return None
    try:
        return _problem(body)
    except (AttributeError, KeyError, TypeError):
        raise ValueError("this is no problem's body") from None


def problem_code(body: Any) -> str | None:
    """The code of a problem's body; None where there is none, or a damaged one."""
    code = body.get("code") if isinstance(body, dict) else None
    return code if isinstance(code, str) else None


def problem_detail(body: Any) -> str | None:
    """The words of a problem's body; None where there is none, or a damaged one."""
    detail = body.get("detail") if isinstance(body, dict) else None
    return detail if isinstance(detail, str) else None


def _problem(body: Mapping[str, Any]) -> Problem:
    provider = body["provider"]
    return Problem(ErrorCode(body["code"]), str(body["detail"]), ProviderDetail(**provider) if provider else None)


def report_out(report: DeliveryReport) -> dict[str, Any]:
    """A report to be kept until it is known whom it is about."""
    address = report.address and [report.address.kind.value, report.address.value, report.address.raw]
    problem = report.problem.as_body() if report.problem else None
    return {**asdict(report), "fact": report.fact.value, "address": address, "problem": problem}


def report_in(kept: Mapping[str, Any]) -> DeliveryReport:
    """A report that was kept; raises ValueError where it is damaged."""
    try:
        return _report(kept)
    except (AttributeError, IndexError, KeyError, TypeError):
        raise ValueError("this is no report that was kept") from None


def _report(kept: Mapping[str, Any]) -> DeliveryReport:
    address = kept["address"] and Address(AddressKind(kept["address"][0]), *kept["address"][1:])
    known = {**kept, "fact": Fact(kept["fact"]), "address": address, "problem": problem_in(kept["problem"])}
    return DeliveryReport(**known)
