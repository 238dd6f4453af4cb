"""What relay logs of the broker, and of the other nodes."""

from collections.abc import Mapping

from relay.telemetry.logentry import Entry

BUS_EVENTS: Mapping[str, Entry] = {
    "bus.connected": Entry(
        "debug info",
        "connection protocol session_present",
        "a connection to the broker is up; info for the first time, and where the version of MQTT is another",
    ),
    "bus.listening": Entry(
        "debug info",
        "subscriptions",
        "the broker has confirmed the subscriptions for commands; info for the first time",
    ),
    "bus.online": Entry(
        "debug info", "topic", "the retained topics are published, and the node is online; info for the first time"
    ),
    "bus.lost": Entry(
        "debug warning",
        "connection detail code",
        "a connection to the broker was lost, and is made again; warning where the other one is up",
    ),
    "bus.left": Entry(
        "info", "connection protocol", "relay has left the commands with the broker: the journal takes nothing new"
    ),
    "bus.refused": Entry(
        "error", "connection cause detail", "no connection can be made; said once for each cause until `bus.restored`"
    ),
    "bus.restored": Entry("info", "seconds", "both connections to the broker can be used again"),
    "bus.client_id_taken": Entry(
        "error", "client_id detail cure", "another client connects under the same client id; relay gives way to it"
    ),
    "homeassistant.withdrawn": Entry("info", "topic", "a device was taken away from Home Assistant: its line has gone"),
    "homeassistant.kept": Entry(
        "warning",
        "topic reason",
        "the broker does not let relay take a device away from Home Assistant; it is tried again",
    ),
    "bus.topic_denied": Entry("error", "doing topics detail", "the broker's ACL denies topics that relay needs"),
    "bus.topic_allowed": Entry("info", "doing topics", "topics pass again that the broker had denied"),
    "bus.unchecked": Entry(
        "info", "topics first", "on MQTT 3.1.1 relay cannot see whether it may publish there: it may not subscribe"
    ),
    "bus.unsteady": Entry(
        "error", "client_id detail cure", "connections do not last: perhaps another client has this id"
    ),
    "bus.session_lost": Entry("warning", "detail", "the broker has forgotten commands that it held for relay"),
    "bus.stray": Entry("warning", "detail", "a message came on a topic that is no command's"),
    "bus.reply_refused": Entry(
        "warning", "line detail", "an answer was given up at a request's Response Topic; its own topic has it"
    ),
    "publish.refused": Entry(
        "error", "line topic reason", "the broker begins to refuse a topic; its events wait, and others go past them"
    ),
    "publish.passed": Entry("info", "line topic", "the broker takes a topic again that it had refused"),
    "publish.set_aside": Entry(
        "warning", "event_id kind line reason", "the broker can never take an event; it is kept for a person"
    ),
    "replay.ended": Entry("info", "replay_id events refused", "what was published before was published again"),
    "traces.unsent": Entry("warning", "address", "the collector takes no spans: they are dropped until `traces.sent`"),
    "traces.sent": Entry("info", "address", "the collector takes spans again"),
    "command.taken": Entry("info", "line verb outcome message_id replayed", "a command was written down and answered"),
}

NODE_EVENTS: Mapping[str, Entry] = {
    "node.joined": Entry("info", "node lease", "the node works with others now; its life lasts `lease` seconds a beat"),
    "node.buried": Entry(
        "warning",
        "nodes cut_calls uncertain",
        "nodes were given up for dead: their work is the others'; `uncertain` copies of their calls may have been sent",
    ),
    "node.fenced": Entry(
        "error",
        "node detail",
        "this node was given up for dead, as after it stood still or was cut off; it drains, and begins a new life",
    ),
    "node.unheard": Entry("debug", "reason", "the node could not tell the database that it lives; it tries again"),
    "node.waits": Entry(
        "warning", "reason seconds", "a new life cannot begin, as the database is away; it is tried again"
    ),
    "turn.taken": Entry("info", "turn", "work that one node does at a time is this node's now: see docs/nodes.md"),
    "turn.lost": Entry("info", "turn reason", "that work is this node's no more"),
    "call.late": Entry(
        "info",
        "line call_id copies",
        "a node that was given up for dead had the provider's answer all the same: so many copies are certain again",
    ),
    "journal.away": Entry(
        "error", "reason refused", "the database cannot be reached: what is new is refused, and web hooks are spooled"
    ),
    "journal.unsynced": Entry("warning", "reason", "the database does not sync what it commits"),
}
