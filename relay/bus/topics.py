"""names <-> topics: the contract's topics, built from names and read back; none of them holds a phone number."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

CHECKER = "relay-check"  # the client in whose name `relay check` sees whether commands arrive

VERBS = ("send", "check", "cancel", "lookup", "list", "get", "update", "delete", "replay")

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_LIKE_A_NUMBER = re.compile(r"[0-9]{10,}")
_CLIENT = re.compile(r"[^/+#\0]{1,64}")
# Brokers pass on a longer Response Topic, and close the connection of whoever publishes to it: mosquitto 2.0.11 does
# so from 200 levels on.
_MOST_LEVELS = 32
_LONGEST_TOPIC = 1024  # bytes


@dataclass(frozen=True, slots=True)
class CommandTopic:
    """What the topic of a command says: for which line, what to do, and who asks.

    `misnamed`: it has a level for the client, which no client's name can be.
    """

    line: str
    verb: str
    client: str | None = None
    misnamed: bool = False


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics below one base (section 2 of the contract).

    Raises:
        ValueError: the base, or a name given later, cannot stand in a topic.
    """

    base: str = "relay"

    def __post_init__(self) -> None:
        for level in self.base.split("/"):
            topic_name(level)

    @property
    def dead(self) -> str:
        """Notices of what was set aside."""
        return f"{self.base}/dead"

    def node(self, node: str, what: str) -> str:
        """A node's `status` or `info`."""
        return f"{self.base}/node/{topic_name(node)}/{what}"

    def line(self, line: str, what: str, client: str | None = None) -> str:
        """A line's `status`, `result`, `receipt`, `message`, `event/<name>` or command, for one client or for all."""
        topic = f"{self.base}/line/{topic_name(line)}/{what}"
        return topic if client is None else f"{topic}/{client_name(client)}"

    def own(self, lines: Iterable[str], node: str) -> list[str]:
        """The topics that a node with these lines publishes on; of the events' the one that matters most."""
        kinds = ("status", "result", "receipt", "message", "event/loss-suspected")
        said = [self.line(line, kind) for line in lines for kind in kinds]
        return [*said, self.dead, self.node(node, "status"), self.node(node, "info")]

    def line_of(self, topic: str) -> str | None:
        """The line that a topic belongs to; None where it belongs to none."""
        start = f"{self.base}/line/"
        return topic.removeprefix(start).partition("/")[0] if topic.startswith(start) else None

    def subscriptions(self, lines: Iterable[str]) -> list[str]:
        """The filters for all commands to these lines: by name, so that another relay may share the base."""
        plain = [self.line(line, verb) for line in lines for verb in VERBS]
        return [each for topic in plain for each in (topic, f"{topic}/+")]

    def command(self, topic: str) -> CommandTopic | None:
        """What a command's topic says; None for any other topic."""
        start = f"{self.base}/line/"
        line, _, rest = topic.removeprefix(start).partition("/")
        verb, slash, client = rest.partition("/")
        if not topic.startswith(start) or not _NAME.fullmatch(line) or verb not in VERBS or "/" in client:
            return None
        misnamed = bool(slash) and not _CLIENT.fullmatch(client)
        return CommandTopic(line, verb, None if misnamed else client or None, misnamed)


def topic_name(text: str) -> str:
    """`text`, if it may name a line, a node or a level of the base.

    Raises:
        ValueError: it may not.
    """
    if not _NAME.fullmatch(text):
        raise ValueError("a name in a topic is 1 to 64 characters of a-z, 0-9, - and _, and begins with a-z or 0-9")
    if _LIKE_A_NUMBER.fullmatch(text):
        raise ValueError("a name in a topic must not look like a phone number: use a word")
    return text


def client_name(text: str) -> str:
    """`text`, if it may name a client.

    Raises:
        ValueError: it may not.
    """
    if not _CLIENT.fullmatch(text):
        raise ValueError("a client's name is 1 to 64 characters without /, +, # and NUL")
    return text


def may_answer_at(topic: str, allowed: Iterable[str]) -> bool:
    """Whether a response topic may be published to: a real topic of bounded size, below one of the allowed filters."""
    real = topic and not set("+#\0") & set(topic) and not topic.startswith("$")
    small = topic.count("/") < _MOST_LEVELS and len(topic.encode()) <= _LONGEST_TOPIC
    return bool(real) and small and any(_matches(each, topic) for each in allowed)


def _matches(topic_filter: str, topic: str) -> bool:
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if wanted[-1] == "#":
        wanted, levels = wanted[:-1], levels[: len(wanted) - 1]
    return len(wanted) == len(levels) and all(want in ("+", level) for want, level in zip(wanted, levels, strict=True))
