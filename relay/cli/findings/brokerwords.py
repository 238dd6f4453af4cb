"""Why a broker that is there does not let relay in -> what is wrong, and the cure."""

from relay.bus.config import BusSettings
from relay.bus.errors import BusLost, NoConnection
from relay.cli.findings.certificates import Words

_CREDENTIALS = (
    "let bus.username and bus.password_file say what the broker knows:"
    " mosquitto_passwd /etc/mosquitto/relay.passwd {user}; then: systemctl reload mosquitto"
)
_CURES = {
    "bad_password": _CREDENTIALS,
    "not_authorized": _CREDENTIALS,
    "protocol": 'write bus.protocol = "auto": relay takes what the broker speaks',
    "client_id": "let the broker accept client ids that begin with {client}",
    "silent": "name the port of MQTT in bus.url: 1883, or 8883 with mqtts://",
    "not_mqtt": "name the port of MQTT in bus.url: 1883; or write mqtts:// with the port of TLS, 8883",
    "timeout": "check the network, and that the broker does not hang: systemctl restart mosquitto",
    "unavailable": "start the broker again: systemctl restart mosquitto",
    "banned": "take relay out of the broker's list of banned clients",
    "quota": "raise max_connections in the broker's configuration",
    "tls": "mend the file that the setting names, or take the setting out",
}
_ANONYMOUS = "the broker asks for a name and a password: set bus.username and bus.password_file"
_NO_TLS = "write mqtts:// in bus.url, with the port of TLS (8883), where the broker speaks TLS only; else see its log"
_NO_CERTIFICATE = "set bus.cert_file and bus.key_file where the broker asks for a certificate; else see its log"


def in_words(error: NoConnection | BusLost, bus: BusSettings) -> Words:
    """What is wrong, and the cure."""
    what = error.problem.detail.partition(": check ")[0]
    cause = error.cause if isinstance(error, NoConnection) else "closed"
    if cause == "closed":
        return Words(what, _NO_CERTIFICATE if bus.broker.tls and not bus.cert_file else _NO_TLS)
    if cause in {"bad_password", "not_authorized"} and not bus.username:
        return Words(what, _ANONYMOUS)
    cure = _CURES.get(cause, "see the broker's log: journalctl -u mosquitto")
    return Words(what, cure.format(user=bus.username, client=bus.node_client_id))
