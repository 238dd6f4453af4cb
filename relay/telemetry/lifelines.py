"""The log lines of a text's life, made of what is announced: ids and statuses, never a text or a number."""

import logging

import structlog
from structlog.typing import FilteringBoundLogger

from relay.domain.announcements import Announcement
from relay.telemetry.logging import peer

_log: FilteringBoundLogger = structlog.get_logger()


def tell(event: Announcement, to: FilteringBoundLogger | None = None) -> None:
    """Log what an announcement says of a copy or of an inbound text.

    `to`: a logger that is bound already; to bind one takes as long as half of the rest.
    """
    body, log = event.body, to or _log
    if event.kind == "message":
        log.info(
            "message.received",
            line=event.line,
            message_id=event.subject,
            peer=peer(body["from"]),
            keyword=body["keyword"],
            duplicate_suspect=body["duplicate_suspect"],
        )
    elif event.kind == "receipt" and (body["final"] or log.is_enabled_for(logging.DEBUG)):
        log.log(
            logging.INFO if body["final"] else logging.DEBUG,
            "copy.changed",
            line=event.line,
            message_id=event.subject,
            request_id=body["request_id"],
            copy_id=body["copy_id"],
            peer=peer(body["to"]),
            status=body["status"],
            final=body["final"],
            late=body["late"],
            code=body["error"]["code"] if body["error"] else None,
            trace_id=_trace_id(event.reply.traceparent),
        )


def _trace_id(traceparent: str | None) -> str | None:
    """The trace's id of a W3C `traceparent`: version-trace-span-flags."""
    return traceparent.split("-")[1] if traceparent else None
