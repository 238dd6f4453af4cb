"""TLS with AT&T that is not what it should be: a hard failure with its name, never a connection that is not safe."""

import asyncio
import itertools
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import MappingProxyType

import pytest

from relay.rules.circuit import OPENS_AFTER
from tests.battery.table import Row
from tests.brokers import Certificates
from tests.system.world import SECRETS, RelayProcess, World, world

pytestmark = pytest.mark.timeout(300)

LINE = """
[lines.{name}]
provider = "att-landline"
base_url = "https://{host}:{port}"
number = "+1206555010{place}"
session_file = "{{directory}}/session"
timeout = "2s"
"""
UNTRUSTED = "the provider's TLS certificate was not accepted"
CASES = {
    "expired": UNTRUSTED,
    "wrong-host": UNTRUSTED,
    "self-signed": UNTRUSTED,
    "stalled": "no connection to the provider could be made in time",
    "plain": "the TLS handshake with the provider failed",
}


async def test_no_request_is_written_to_whoever_cannot_prove_to_be_at_t(
    tmp_path: Path, free_port: Callable[[], int], found: Callable[[Row], None]
) -> None:
    """Every text waits, each line says what is wrong, and not one byte of HTTP has left."""
    folder = tmp_path / "tls"
    made = await asyncio.to_thread(Certificates.make, folder)
    heard: dict[str, bytes] = {}
    async with AsyncExitStack() as stack:
        ports = {name: await stack.enter_async_context(listening(name, folder, heard)) for name in CASES}
        lines = "".join(
            LINE.format(name=name, port=port, place=place, host="localhost")
            for place, (name, port) in enumerate(ports.items(), 1)
        )

        class Trusting(RelayProcess):
            """Trusts the test's own authority, and nobody else."""

            environment = MappingProxyType({"SSL_CERT_FILE": str(made.ca)})

        async with world(tmp_path, free_port, lines=lines, relay=Trusting, speed=60) as at_home:
            await at_home.relay.start()
            await at_home.listening()
            for name, text in itertools.product(CASES, range(OPENS_AFTER)):
                to = f"+1206555018{text}"  # one text alone opens no circuit
                await at_home.publish(
                    f"relay/line/{name}/send", {"id": f"{name}-{text}", "to": to, "text": f"text {text}"}
                )
            reasons = await shown(at_home, list(CASES))
            log = await asyncio.to_thread(at_home.relay.log_path.read_text)
    for name, words in CASES.items():
        assert words in reasons[name], (name, reasons[name])
    assert b"HTTP" not in b"".join(heard.values())
    assert SECRETS["session"] not in log
    found(
        Row(
            "V7",
            f"TLS: {', '.join(CASES)}",
            len(CASES) * OPENS_AFTER,
            0,
            0,
            None,
            "nothing was written, all texts wait",
        )
    )


async def shown(at_home: World, lines: list[str]) -> dict[str, str]:
    """Why each line's circuit is open, once all of them are."""
    ears = at_home.ears

    def said() -> dict[str, str]:
        found = {}
        for topic, body in ears.heard:
            if topic.endswith("/status") and body.get("circuit"):
                found[topic.split("/")[2]] = body["circuit"]["reason"]
        return found

    await ears.until(lambda: set(lines) <= set(said()), within=60, what="every circuit is open")
    return said()


@asynccontextmanager
async def listening(name: str, folder: Path, heard: dict[str, bytes]) -> AsyncIterator[int]:
    """Somebody who is not AT&T, as far as can be known; what is heard after the handshake, or without one."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got = await reader.read(1 << 16)
        if name == "plain":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            return
        if name != "stalled":
            heard[name] = heard.get(name, b"") + got
            return
        await reader.read()
        writer.close()

    context = None if name in {"stalled", "plain"} else await asyncio.to_thread(certificate, name, folder)
    server = await asyncio.start_server(take, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def certificate(name: str, folder: Path) -> ssl.SSLContext:
    """A certificate that is wrong in its own way."""
    key, request, signed = (folder / f"{name}.{kind}" for kind in ("key", "csr", "pem"))
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(key)]
    host = "elsewhere.example" if name == "wrong-host" else "localhost"
    subject = ["-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}"]
    if name == "self-signed":
        made = ["req", "-x509", *new_key, *subject, "-out", str(signed), "-days", "2"]
        subprocess.run(["openssl", *made], check=True, capture_output=True)
    else:
        subprocess.run(["openssl", "req", *new_key, *subject, "-out", str(request)], check=True, capture_output=True)
        sign(request, signed, folder, days="-1" if name == "expired" else "2")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(signed, key)
    return context


def sign(request: Path, signed: Path, folder: Path, days: str) -> None:
    """Sign it with the authority that relay trusts."""
    by = [
        "-CA",
        str(folder / "ca.pem"),
        "-CAkey",
        str(folder / "ca.key"),
        "-CAcreateserial",
        "-copy_extensions",
        "copy",
    ]
    words = ["x509", "-req", "-in", str(request), "-out", str(signed), *by, "-days", days]
    subprocess.run(["openssl", *words], check=True, capture_output=True)
