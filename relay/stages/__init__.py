"""The arrows: one file each. They never import one another; they meet in the journal.

poller     provider -> journal   an inbox page: keep the bytes, then understand them
receiver   provider -> journal   a web hook: keep the bytes, answer 2xx, then understand them
syncer     provider -> journal   what changed in a message store; all of it where that cannot be told
collector  provider -> journal   what an arrival lacks: its text, its attachments; then it is whole
tracker    provider -> journal   delivery status: keep the bytes, then understand them
installer  journal -> provider   web hooks at the provider: install what is missing, repair what is wrong
consumer   bus -> journal        a command: write it down with its answer, then acknowledge it
sender     journal -> provider   a call: write down that it begins, make it, write down how it ended
publisher  journal -> bus        an event: publish it, mark it done once the broker confirmed it
leftovers  journal -> journal    bytes that no stage reads any more, and what a person wants read once more
sweeper    journal -> nothing    attachments whose time is over
janitor    journal -> journal    expiry, the end of 72 hours, retention
auditor    journal -> journal    rows that nobody reads: whether they are whole
locksmith  journal -> listener   the secrets under which other nodes have web hooks called
"""
