"""How each provider's lines say that a content will go out: by which call, as what, and in how many bytes.

A user sees it in the answer to `check`, before anything is sent.
"""

import pytest

from relay.domain.errors import Refused
from relay.domain.messages import Content, Media
from relay.providerkit.spec import Sends
from tests.contract.provider.conformance.known import Planned, facts_of, providers
from tests.contract.provider.conformance.lines import unconnected

PICTURE = Media("image/png", "map.png", b"PNG")
SENDING = [name for name in providers() if isinstance(unconnected(name), Sends)]


@pytest.mark.parametrize(
    ("provider", "planned"),
    [
        pytest.param(name, planned, id=f"{name}-{place}")
        for name in SENDING
        for place, planned in enumerate(facts_of(name).plans)
    ],
)
def test_a_plan_names_the_call_and_what_it_carries(provider: str, planned: Planned) -> None:
    """The bytes are those of one copy's text, subject and attachments."""
    plan = unconnected(provider, planned.settings).plan(planned.content)
    assert (plan.api, plan.sent_as, plan.size) == (planned.api, planned.sent_as, planned.size)
    assert plan.segments >= 1
    assert plan.recipients_per_call >= 1


@pytest.mark.parametrize("provider", SENDING)
def test_every_shape_that_a_line_takes_is_among_the_examples(provider: str) -> None:
    """A short text, one that is not ASCII, one with a subject, one with a picture: each has a plan that is tested."""
    shapes = [Content("Hello"), Content("☎"), Content("Hello", subject="Hello"), Content("Hello", media=(PICTURE,))]
    taken = {_shape(shape) for shape in shapes if _is_taken(unconnected(provider), shape)}
    assert taken
    assert taken <= {_shape(planned.content) for planned in facts_of(provider).plans}


def _shape(content: Content) -> tuple[bool, bool, bool]:
    return (content.text or "").isascii(), bool(content.subject), bool(content.media)


def _is_taken(line: Sends, content: Content) -> bool:
    try:
        line.plan(content)
    except Refused:
        return False
    return True
