"""settings and lines -> what Home Assistant is to be told of them."""

from collections.abc import Mapping

from relay import __version__
from relay.bus.homeassistant import Described, discovery, discovery_topic
from relay.bus.topics import Topics
from relay.providerkit.spec import Line, Sends
from relay.settings import Settings
from relay.stages.herald import Devices


def devices(settings: Settings, lines: Mapping[str, Line]) -> Devices:
    """The discovery message of each line, by its topic; none where none are wanted.

    Args:
        settings: whether, where and for whom.
        lines: every line there is now.
    """
    wanted, topics = settings.homeassistant, Topics(settings.bus.base)
    if not wanted.discovery:
        return {}
    described = (
        Described(alias, settings.lines[alias].provider, isinstance(line, Sends), wanted.numbers)
        for alias, line in lines.items()
    )
    return {
        discovery_topic(wanted.prefix, topics, line.alias): discovery(line, topics, settings.node.name, __version__)
        for line in described
    }
