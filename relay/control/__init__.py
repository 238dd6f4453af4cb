"""The daemon's side of the command line: JSON over HTTP on a Unix socket that only its user and root may open.

POST /command           {"line", "verb", "payload"}      the answer, as its result on the bus
GET  /status                                             the node, its lines, its journal
GET  /events            ?after=POSITION                  every event from there on, one JSON object a line, for ever
GET  /trace/ID                                           everything the journal knows of an id

GET  /queue             ?line=L&status=S&held=1&limit=N  the copies that wait, or wait for a person
GET  /queue/ID          ?line=L                          {"id", "copies", "calls": each with why it waits}
POST /queue/hold        {"ids", "line"}                  [{"id", "copies": so many, "left": [{"why", "copies", …}]}]
POST /queue/release     {"ids", "line"}                  as above; without ids {"line", "held_at"}, as for hold
POST /queue/retry       {"ids", "line"}                  as above
POST /queue/cancel      {"ids", "line"}                  as above; without ids {"id": line, "copies", "left", "more"}
POST /queue/resolve     {"ids", "line", "sent": true}    as for retry; `sent` is what a person found out

GET  /webhooks                                           [{"line", "event", "url", "provider_id", "state", "reason"}]
POST /webhooks/install  {"line"}                         {"line", "changes": [{"hook", "host", "repair"}]}
POST /webhooks/repair   {"line"}                         as above
POST /webhooks/remove   {"line"}                         as above

GET  /auth                                               [{"line", "given", "since", "renewable_until", "reason"}]
POST /auth/login        {"line", "timeout": seconds}     {"open": address}, and once it ends {"outcome", "detail"}
POST /auth/revoke       {"line"}                         {"line", "revoked": true}

POST /reload                                             {"outcome", "added", "removed", "changed", "needs_restart",
                                                         "problems": [{"where", "key", "what", "cure"}]}

GET  /dead              ?limit=N&after=ID&kind=K&line=L  what was set aside for a person
GET  /dead/ID                                            one of it, with its bytes
POST /dead/ID/replay                                     {"outcome": "read" | "unreadable" | "published" | "queued" |
                                                          "matched" | "unmatched", …}
POST /dead/ID/discard                                    {"id", "discarded": true}

POST /replay            {"since", "until", "line", "kinds"}
                                                         {"id", "events", "told", "refused", "over"}
GET  /replay/ID                                          as above

GET  /optout            ?line=LINE&lifted=1&after=ID     opt-outs with what shows them, 500 at most
POST /optout/of         {"addresses"}                    {"found": [as above, lifted ones too], "refused"}
POST /optout/add        {"addresses", "line"}            {"new", "unchanged", "refused": [{"place", "why"}]}
POST /optout/remove     {"addresses", "line"}            {"lifted", "unchanged", "refused"}
POST /optout/import     {"entries": [{"address", "line", "at", "source", "word"}]}
                                                         {"new", "unchanged", "refused", "unknown_lines"}

POST /forget            {"addresses"}                    {"people", "done", "left", "is_clean", "refused"}
                                                         or {"error"}, once it is done

`state` of a web hook: ok, missing, wrong, foreign, by-hand, or unknown. `outcome` of a login: given, refused, failed or
timed_out; its two lines may have empty ones between them, and whoever closes the connection ends it. What cannot be
done is answered {"error": a sentence}: 400 it is misspelt, 404 there is no such thing, 409 it cannot be now, 502 the
provider would not, 503 the journal cannot.
"""

from relay.control.asking import Controls
from relay.control.server import ControlServer

__all__ = ["ControlServer", "Controls"]
