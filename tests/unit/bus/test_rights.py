"""What is denied is told once as it begins, and as it ends."""

from structlog.testing import capture_logs

from relay.bus.rights import Rights


def test_a_denial_is_told_once_and_its_end_once() -> None:
    """With what was tried, the topics, and what to do."""
    rights, changes = Rights(), []
    rights.on_change(lambda: changes.append(rights.denied))
    with capture_logs() as lines:
        for _ in range(3):
            rights.judged("publish", ["a", "b", "c"], ["b"], "let relay write it")
        rights.judged("publish", ["a"], [], "")
        rights.judged("publish", ["b"], [], "")
    assert [(line["event"], line["topics"]) for line in lines] == [
        ("bus.topic_denied", "b"),
        ("bus.topic_allowed", "b"),
    ]
    assert changes == [("b",), ()]


def test_what_is_denied_to_be_heard_is_not_what_is_denied_to_be_said() -> None:
    """Each is tried again by the connection that needs it."""
    rights = Rights()
    rights.judged("publish", ["said"], ["said"], "")
    rights.judged("subscribe", ["heard", "else"], ["heard"], "")
    assert (rights.denied_to("publish"), rights.denied_to("subscribe")) == (["said"], ["heard"])


def test_many_topics_are_one_line_of_bounded_length() -> None:
    """The first are named, and how many more there are."""
    topics = [f"t{number:03}" for number in range(100)]
    with capture_logs() as lines:
        Rights().judged("subscribe", topics, topics, "")
    assert [line["topics"] for line in lines] == ["t000, t001, t002, t003, t004 and 95 more"]
