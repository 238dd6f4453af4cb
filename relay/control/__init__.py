"""The daemon's side of the command line: JSON over HTTP on a Unix socket that only its user and root may open.

POST /command           {"line", "verb", "payload"}      the answer, as its result on the bus
GET  /status                                             the node, its lines, its journal
GET  /events            ?after=POSITION                  every event from there on, one JSON object a line, for ever
GET  /trace/ID                                           everything the journal knows of an id
GET  /uncertain                                          the copies that wait for a person

GET  /webhooks                                           [{"line", "event", "url", "provider_id", "state", "reason"}]
POST /webhooks/install  {"line"}                         {"line", "changes": [{"hook", "host", "repair"}]}
POST /webhooks/repair   {"line"}                         as above
POST /webhooks/remove   {"line"}                         as above

GET  /auth                                               [{"line", "given", "since", "renewable_until", "reason"}]
POST /auth/login        {"line", "timeout": seconds}     {"open": address}, and once it ends {"outcome", "detail"}
POST /auth/revoke       {"line"}                         {"line", "revoked": true}

GET  /dead              ?limit=N&after=ID                what was set aside for a person
GET  /dead/ID                                            one of it, with its bytes
POST /dead/ID/replay                                     {"outcome": "read" | "unreadable" | "published" | "queued", …}
POST /dead/ID/discard                                    {"id", "discarded": true}

`state` of a web hook: ok, missing, wrong, foreign, by-hand, or unknown. `outcome` of a login: given, refused, failed or
timed_out; its two lines may have empty ones between them, and whoever closes the connection ends it. What cannot be
done is answered {"error": a sentence}: 400 it is misspelt, 404 there is no such thing, 409 it cannot be now, 502 the
provider would not, 503 the journal cannot.
"""

from relay.control.asking import Controls
from relay.control.server import ControlServer

__all__ = ["ControlServer", "Controls"]
