"""settings -> connection: everything one MQTT connection is made with, and what a failure to connect means."""

import socket
import ssl
from dataclasses import dataclass, field

from relay.bus.config import BusSettings
from relay.bus.errors import UNSUPPORTED_PROTOCOL, NoConnection
from relay.bus.payloads import Publication

# CONNACK reason codes of MQTT 5, section 3.2.2.2; paho gives those of 3.1.1 as these.
_REFUSALS = {
    UNSUPPORTED_PROTOCOL: ("protocol", "the broker does not speak this version of MQTT"),
    0x85: ("client_id", "the broker does not accept this client id"),
    0x86: ("bad_password", "the broker does not know this user or password: check bus.username and its password"),
    0x87: ("not_authorized", "the broker refuses this user: check bus.username, its password and the broker's ACL"),
    0x88: ("unavailable", "the broker is not available"),
    0x89: ("unavailable", "the broker is busy"),
    0x8A: ("banned", "the broker has banned this client"),
    0x8C: ("bad_password", "the broker does not accept this way to authenticate"),
    0x97: ("quota", "the broker has no room for another connection"),
    0x9F: ("quota", "the broker limits the rate of connections"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """One connection to be made. `persistent`: the broker is to keep the session while we are away."""

    settings: BusSettings
    client_id: str
    protocol: str  # "5" or "3.1.1"
    persistent: bool = False
    will: Publication | None = None
    tls: ssl.SSLContext | None = field(default=None, repr=False)


def tls_context(settings: BusSettings) -> ssl.SSLContext | None:
    """How to speak TLS; None where it is not spoken. Reads files.

    Raises:
        NoConnection: a file cannot be read, or is none of its kind.
    """
    if not settings.broker.tls:
        return None
    setting = "bus.ca_file"
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        context.sslsocket_class = _TidySocket
        setting = "bus.cert_file or bus.key_file"
        if settings.cert_file:
            context.load_cert_chain(settings.cert_file, settings.key_file)
    except OSError as error:
        raise NoConnection("tls", f"{setting} cannot be used: {error.strerror or 'not a PEM file'}") from None
    return context


class _TidySocket(ssl.SSLSocket):
    """Closes itself where the handshake fails: paho would leave it open."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - the signature is the base's
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def refusal(code: int) -> NoConnection:
    """What a negative CONNACK means."""
    cause, detail = _REFUSALS.get(code, ("refused", "the broker refuses the connection"))
    return NoConnection(cause, f"{detail} (0x{code:02x})", code)


def failure(error: BaseException | None) -> NoConnection:
    """What an operating system's error on the way to the broker means."""
    match error:
        case socket.gaierror():
            return NoConnection("dns", "the broker's host name cannot be resolved: check bus.url")
        case ssl.SSLCertVerificationError():
            words = error.verify_message
            return NoConnection(
                "tls", f"the broker's certificate is not trusted: {words}: check bus.ca_file and bus.url"
            )
        case ssl.SSLError():
            return _tls_failure(getattr(error, "reason", None) or "no handshake")
        case TimeoutError():
            return NoConnection("timeout", "the broker did not answer in time: check bus.url and the network")
        case OSError():
            return NoConnection(
                "unreachable", f"the broker cannot be reached: {error.strerror or type(error).__name__}"
            )
        case _:
            return NoConnection("unreachable", "the broker cannot be reached")


def _tls_failure(reason: str) -> NoConnection:
    if reason.endswith("CERTIFICATE_REQUIRED"):  # TLS 1.3 says so only after the handshake
        return no_answer(closed=True, tls=True)
    return NoConnection("tls", f"TLS failed: {reason}: check bus.url and its certificates")


def no_answer(*, closed: bool, tls: bool) -> NoConnection:
    """What it means that the broker was reached and sent no CONNACK."""
    if not closed:
        return NoConnection("silent", "the broker was reached and did not answer: check that bus.url is MQTT's port")
    hint = "it may ask for a certificate (bus.cert_file)" if tls else "it may speak TLS only (mqtts://)"
    return NoConnection("closed", f"the broker closed the connection before it answered: {hint}")
