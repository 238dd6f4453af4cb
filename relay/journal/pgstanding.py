"""A node that stands still in the middle of a transaction -> cut off by the others, who wait for its lock.

PostgreSQL's own time-out sees an idle session alone. Rows of a batch travel together, and between two of them a session
counts as active, however long the next one takes to come: a node that is stopped there, or whose machine has lost its
power, would hold up every node.
"""

from relay.journal.pgconnect import STILL_FOR

PATIENT = "relay, moving a journal"  # the name of a session that may take its time while it holds the lock

# What holds the lock, and has waited for its client for longer than that may take. It needs no right but one's own.
CUT = f"""
SELECT pg_terminate_backend(session.pid)
FROM pg_locks AS held
JOIN pg_stat_activity AS session ON session.pid = held.pid
CROSS JOIN hashtextextended('relay.' || current_schema(), 0) AS number
WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
    AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND held.classid = (number >> 32 & 4294967295)::oid AND held.objid = (number & 4294967295)::oid
    AND session.wait_event_type = 'Client' AND session.application_name <> '{PATIENT}'
    AND clock_timestamp() - session.state_change > interval '{STILL_FOR} s'
"""  # noqa: S608 - a word of our own
