"""How a node stands in words: what `relay status` and the status page share."""

from typing import Any

from relay.telemetry.statuswords import Count, counts, headline, tables

AT = "2026-11-21T09:00:00.000Z"
SHOWN_AT = "2026-11-21 09:00:00Z"
LIMITS = {"limits": {"today": 1, "calls_per_day": None, "month": None}, "held_at": None, "next_call_at": None}
LINE = {"state": "ready", "reason": None, "since": AT, "last_success": None, "loss_at": AT, "circuit": None, **LIMITS}
WAITING = {"calls": {"waiting": 1, "in_flight": 2, "followed": 3}, "oldest_due": AT, "copies": {"queued": 4, "sent": 5}}
NODE: dict[str, Any] = {
    "node": "n1",
    "version": "1.2",
    "state": "degraded",
    "since": AT,
    "bus": {"connected": False, "protocol": None},
    "lines": {"alerts": LINE},
    "consent": {"desk": {"given": False, "since": None, "renewable_until": None}},
    "mailboxes": {"desk": {"followed": True, "since": AT}, "new": {"followed": False, "since": None}},
    "nodes": [{"name": "n1", "since": AT, "version": "1.2", "turns": ["bus", "line/alerts"]}],
    "spool": {"hooks": 1, "since": AT},
    "journal": {
        "lines": {"alerts": WAITING},
        "unpublished": 1,
        "unread": 0,
        "parked": 2,
        "asides": 3,
        "set_aside": {"raw": 1, "event": 2, "orphan": 0},
    },
}


def test_the_headline_is_one_line() -> None:
    """The node, its state since when, its broker, its version."""
    assert headline(NODE) == f"node n1: degraded since {SHOWN_AT}; bus not connected; 1.2"
    why = NODE | {"reason": "lines: alerts"}
    assert headline(why) == f"node n1: degraded since {SHOWN_AT} (lines: alerts); bus not connected; 1.2"
    connected = NODE | {"bus": {"connected": True, "protocol": "5"}}
    assert "; bus connected (MQTT 5); " in headline(connected)


def test_each_table_has_its_rows() -> None:
    """As wide as its head; a table of nothing has none."""
    made = {table.name: table for table in tables(NODE)}
    assert {name: table.rows for name, table in made.items()} == {
        "lines": [("alerts", "ready", SHOWN_AT, "-", "-", "-", "-", SHOWN_AT)],
        "circuits": [],
        "limits": [("alerts", "1", "-", "-", "-")],
        "consents": [("desk", "run: relay auth login desk", "-", "-")],
        "mailboxes": [("desk", "followed", SHOWN_AT), ("new", "not compared yet", "-")],
        "nodes": [("n1", SHOWN_AT, "1.2", "bus line/alerts")],
        "waiting": [("alerts", "1", "2", "3", SHOWN_AT, "4 queued, 5 sent")],
    }
    assert all(len(row) == len(table.head) for table in made.values() for row in table.rows)


def test_where_the_time_is_known_the_lines_tell_it_as_people_do() -> None:
    """For how long, how long ago, in how long; what is due now is due now."""
    line = LINE | {
        "reason": "ready",
        "last_in": "2026-11-21T09:56:00.000Z",
        "last_out": "2026-11-21T09:59:57Z",
        "next_poll_at": "2026-11-21T10:03:20.000Z",
        "loss_at": "2026-11-21T10:00:00Z",
        "held_at": AT,
        "circuit": {"since": AT, "next_try_at": "2026-11-21T10:00:40Z", "reason": "no answer"},
    }
    found = tables(NODE | {"lines": {"alerts": line}}, "2026-11-21T10:00:00.000Z")
    made = {each.name: each.rows for each in found}
    assert all(len(row) == len(table.head) for table in found for row in table.rows)
    assert made["lines"] == [("alerts", "ready", "1 h", "4 min ago", "3 s ago", "-", "in 3 min", "now")]
    assert made["circuits"] == [("alerts", "1 h", "in 40 s", "no answer")]
    assert made["limits"][0][-1] == "held for 1 h: relay queue release --line alerts"
    assert made["waiting"][0][4] == "for 1 h"


def test_what_waits_besides_is_counted_in_words() -> None:
    """One is one; things for a person with their kinds, and the command that lists them."""
    assert [(count.number, count.sentence) for count in counts(NODE)] == [
        (1, "event waits for the bus"),
        (0, "inbound pages and web hooks wait to be read"),
        (2, "receipts wait for their message"),
        (3, "things wait for a person: 1 raw, 2 event (relay dead list)"),
        (1, "web hook waits in the spool for the journal"),
    ]


def test_a_node_without_a_spool_counts_none() -> None:
    """Its journal is a file."""
    assert "spool" not in {count.name for count in counts(NODE | {"spool": None})}


def test_nothing_for_a_person_needs_no_command() -> None:
    """The sentence is short where there is nothing."""
    assert Count("asides", 0, "things wait for a person", "", "relay dead list").sentence == "things wait for a person"
