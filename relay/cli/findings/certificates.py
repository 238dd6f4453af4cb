"""What OpenSSL says of a certificate -> what is wrong with it, and the cure."""

import ssl
from datetime import datetime, timedelta
from typing import NamedTuple

from relay.cli.findings import Finding, hint, wrong

SOON = timedelta(days=14)
_URGENT = timedelta(days=3)
_EXPIRED, _NOT_YET = 10, 9  # X509_V_ERR_…, as OpenSSL's x509_vfy.h has them
_OTHER_NAME = {62, 64}
_UNKNOWN_CA = {2, 18, 19, 20, 21}


class Words(NamedTuple):
    """What is wrong, and the cure."""

    what: str
    cure: str


def distrusted(host: str, port: int, setting: str, ca_cure: str, error: ssl.SSLCertVerificationError) -> Words:
    """What it means that a certificate was not accepted; `ca_cure` helps where its authority is not known."""
    look = f"openssl s_client -connect {host}:{port} -servername {host} </dev/null"
    where = f"the certificate of {host}:{port}"
    code = error.verify_code
    if code == _EXPIRED:
        return Words(f"{where} has expired", f"renew it (certbot renew), and have the server load it: {look}")
    if code == _NOT_YET:
        return Words(f"{where} is not valid yet", "set this machine's clock: timedatectl set-ntp true")
    if code in _OTHER_NAME:
        cure = f"write the name that it was made for in {setting}, or have it made for {host}: {look}"
        return Words(f"{where} was made for another host", cure)
    if code in _UNKNOWN_CA:
        return Words(f"{where} comes from an authority that is not known here", ca_cure)
    return Words(f"{where} is not trusted: {error.verify_message}", f"look at it: {look}")


def untold(address: str, setting: str, *, is_web: bool) -> Words:
    """What it means that TLS did not come about, and not over the certificate."""
    schemes = ("http://", "https://") if is_web else ("mqtt://", "mqtts://")
    cure = f"name the port of TLS in {setting}, or write {schemes[0]} in place of {schemes[1]}: it was perhaps meant"
    return Words(f"{address} does not speak TLS, or not with what relay has", cure)


def ends_soon(part: str, where: str, expires: datetime | None, now: datetime, why: str) -> list[Finding]:
    """A finding where a certificate ends soon."""
    if expires is None or expires - now > SOON:
        return []
    left = max((expires - now).days, 0)
    what = f"the certificate of {where} expires in {left} {'day' if left == 1 else 'days'}"
    cure = (
        "renew it (certbot renew), and have the server load it; see that it is renewed by itself: systemctl list-timers"
    )
    return [wrong(part, what, why, cure) if expires - now <= _URGENT else hint(part, what, cure, why)]
