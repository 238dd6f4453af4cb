"""The status page, made of the journal, the node's status and what keeps the charts' hour."""

from collections.abc import Mapping, Sequence
from typing import Any

from relay.control.trouble import with_trouble
from relay.stagekit import Standing
from relay.status import NodeStatus
from relay.web.historian import Historian
from relay.web.page import PageRoute
from relay.web.pagedata import PageData


def status_page(host: str, standing: Standing, status: NodeStatus) -> tuple[PageRoute, Historian]:
    """The page for the admin listener, which listens at `host`; and what has to run for its charts."""
    journal, clock = standing.journal, standing.clock
    historian = Historian(journal, clock)
    status.follow_texts(historian.last_texts)

    async def steps(about: str) -> Sequence[Mapping[str, Any]]:
        return await with_trouble(status.as_body, await journal.queries.trace(about))

    data = PageData(status.as_body, status.readiness, steps, historian=historian, clock=clock)
    return PageRoute(host, shown=data.shown, traced=data.traced), historian
