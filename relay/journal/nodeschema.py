"""The tables of many nodes over one database: the lives of nodes, and counters that they share."""

from sqlalchemy import Column, text

from relay.journal.columns import Moment, Whole, Words
from relay.journal.tables import need, table

# A node that joins begins a life. `until`, by the database's clock, is when others may give it up for dead.
node = table(
    "node",
    need("id", Words, primary_key=True),  # <name>/<token>
    need("name", Words),
    need("token", Whole),  # rises with each life of a name
    need("version", Words),
    need("process", Words),  # which process it is, on which machine
    need("since", Moment),
    need("until", Moment),
    need("mark", Whole, server_default=text("0")),  # the number of the life's last commit
    Column("stops_at", Moment),  # it takes no more turns from then on, and is about to leave
    Column("ended_at", Moment),  # it left, or was given up: it may begin nothing more
)

counter = table(
    "counter",
    need("name", Words, primary_key=True),
    need("value", Whole),
)
