"""The contract's topics: what is built can be read back, and nothing else is a command."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.bus.topics import VERBS, CommandTopic, Topics, client_name, may_answer_at, topic_name

NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,20}", fullmatch=True)
CLIENTS = st.from_regex(r"[^/+#\0]{1,64}", fullmatch=True)


@pytest.mark.parametrize(
    ("built", "topic"),
    [
        (Topics().node("n1", "status"), "relay/node/n1/status"),
        (Topics().line("alerts", "result", "web"), "relay/line/alerts/result/web"),
        (Topics().line("alerts", "event/opt-out"), "relay/line/alerts/event/opt-out"),
        (Topics("site/sms").dead, "site/sms/dead"),
    ],
)
def test_topics_are_those_of_the_contract(built: str, topic: str) -> None:
    """Each topic is spelt as section 2 of the contract has it."""
    assert built == topic


def test_a_line_is_subscribed_to_by_name_with_and_without_a_client() -> None:
    """Two relays may share a base: there is no filter over all lines."""
    filters = Topics().subscriptions(["alerts", "office"])
    assert filters[:2] == ["relay/line/alerts/send", "relay/line/alerts/send/+"]
    assert len(filters) == 2 * 2 * len(VERBS)
    assert not any("#" in each or "/+/" in each for each in filters)


@given(base=NAMES, line=NAMES, verb=st.sampled_from(VERBS), client=st.none() | CLIENTS)
def test_a_command_topic_is_read_back(base: str, line: str, verb: str, client: str | None) -> None:
    """What was built of a line, a verb and a client says the same again."""
    topics = Topics(base)
    assert topics.command(topics.line(line, verb, client)) == CommandTopic(line, verb, client)


@given(st.text())
def test_any_other_topic_is_no_command(topic: str) -> None:
    """Reading a topic never raises, and what it finds builds the same topic."""
    topics = Topics()
    found = topics.command(topic)
    assert found is None or found.misnamed or topics.line(found.line, found.verb, found.client) == topic


@pytest.mark.parametrize(
    "topic",
    [
        "relay/line/alerts/result",
        "relay/line/alerts/send/a/b",
        "relay/line/alerts",
        "relay/line//send",
        "other/line/alerts/send",
        "line/alerts/send",
        "",
    ],
)
def test_what_is_near_a_command_topic_is_none(topic: str) -> None:
    """A level too many, too few or too empty is nobody's command."""
    assert Topics().command(topic) is None


@pytest.mark.parametrize("client", ["", "x" * 65, "+", "x" * 60_000])
def test_a_command_of_a_client_without_a_possible_name_is_one_all_the_same(client: str) -> None:
    """It is to be answered, and its answer cannot go to that name."""
    found = Topics().command(f"relay/line/alerts/cancel/{client}")
    assert found == CommandTopic("alerts", "cancel", None, misnamed=True)


@pytest.mark.parametrize("name", ["", "A", "a.b", "a b", "a/b", "+", "#", "-a", "a" * 65, "12065550123", "2065550123"])
def test_a_name_that_cannot_stand_in_a_topic_is_refused(name: str) -> None:
    """Brokers disagree on dots and blanks, and a phone number must never be in a topic."""
    with pytest.raises(ValueError, match="a name in a topic"):
        topic_name(name)
    with pytest.raises(ValueError, match="a name in a topic"):
        Topics().line(name, "status")


@pytest.mark.parametrize("base", ["", "/relay", "relay/", "a//b", "a/+/b", "A"])
def test_a_base_that_cannot_begin_a_topic_is_refused(base: str) -> None:
    """Every level of the base is a name."""
    with pytest.raises(ValueError, match="a name in a topic"):
        Topics(base)


@pytest.mark.parametrize("name", ["", "a/b", "a+", "#", "a\0", "x" * 65])
def test_a_client_that_cannot_stand_in_a_topic_is_refused(name: str) -> None:
    """A client's name is one level, without wildcards."""
    with pytest.raises(ValueError, match="a client's name"):
        client_name(name)


@pytest.mark.parametrize(
    ("topic", "allowed", "may"),
    [
        ("reply/web", ["reply/#"], True),
        ("reply/web/1", ["reply/#"], True),
        ("reply/web", ["reply/+"], True),
        ("reply/web/1", ["reply/+"], False),
        ("replys/web", ["reply/#"], False),
        ("a/b", ["#"], True),
        ("$SYS/x", ["#"], False),
        ("reply/+", ["reply/#"], False),
        ("reply/#", ["reply/#"], False),
        ("reply/\0", ["reply/#"], False),
        ("reply/" + "x" * 1018, ["reply/#"], True),
        ("reply/" + "x" * 1019, ["reply/#"], False),
        ("reply/" + "\u00e9" * 510, ["reply/#"], False),
        ("reply" + "/x" * 31, ["reply/#"], True),
        ("reply" + "/x" * 32, ["reply/#"], False),
        ("", ["#"], False),
        ("reply/web", [], False),
    ],
)
def test_answers_go_only_where_it_is_allowed(topic: str, allowed: list[str], may: bool) -> None:
    """A response topic is a real topic below an allowed filter."""
    assert may_answer_at(topic, allowed) is may
