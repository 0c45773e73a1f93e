"""WebTransport between ours and the reference, in Deno: both ways, direct and by upgrade."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

pytest.importorskip("aioquic")

from scripts.node import INTEROP
from sockwave import (
    ConnectError,
    FailureCause,
    Manager,
    Server,
    TransportError,
    WebTransport,
    connect,
)
from sockwave.cli.certificate import OWN_NAMES, make_certificate
from tests.client.servers import native_server
from tests.support import peers
from tests.support.raw import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

WAYS: Final = {
    "direct": ["webtransport"],
    "upgrade": ["polling", "webtransport"],
}


RUN: Final = ("run", "-A", "--unstable-net")


class Certificate(NamedTuple):
    """Files of a certificate and its key, and its hash."""

    certfile: Path
    keyfile: Path
    hash: str


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    folder = tmp_path_factory.mktemp("certificate")
    made = make_certificate(OWN_NAMES)
    found = Certificate(folder / "cert.pem", folder / "key.pem", made.hash.hex())
    found.certfile.write_bytes(made.certificate)
    found.keyfile.write_bytes(made.key)
    return found


@pytest.fixture(scope="module")
def reference(certificate: Certificate) -> Iterator[str]:
    """The reference server, in Deno."""
    script = INTEROP / "servers" / "webtransport.mjs"
    process = subprocess.Popen(
        [peers.deno(), *RUN, script, certificate.certfile, certificate.keyfile],
        env={**os.environ, "WEBTRANSPORT": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


@pytest.fixture(params=WAYS)
def options(request: pytest.FixtureRequest, certificate: Certificate) -> dict[str, Any]:
    return {
        "transports": WAYS[request.param],
        "server_certificate_hashes": [certificate.hash],
        "reconnection_delay": 0.02,
    }


async def moved(manager: Manager) -> None:
    await until(lambda: manager.transport == "webtransport", 20)


# --- our client, their server ---------------------------------------------------------------------


def test_values_come_back_from_the_reference(reference: str, options: dict[str, Any]) -> None:
    async def talk() -> None:
        async with connect(reference, **options) as socket:
            await moved(socket.manager)
            for value in ("é" * 1000, b"\x00" * 300_000, {"a": [b"x", b"yz", 1]}, ""):
                assert await socket.emit_with_ack("ack", value, timeout=20) == value
            events = socket.events("tick")
            socket.emit("burst", 300)
            for number in range(300):
                assert await anext(events) == (number,)

    asyncio.run(talk())


def test_heartbeats_of_the_reference_are_answered(reference: str, options: dict[str, Any]) -> None:
    async def stay() -> None:
        async with connect(reference, **options) as socket:
            await moved(socket.manager)
            pings: asyncio.Queue[None] = asyncio.Queue()
            socket.manager.on("ping", lambda: pings.put_nowait(None))
            for _ in range(5):
                await pings.get()
            assert await socket.emit_with_ack("ack", 1, timeout=20) == 1

    asyncio.run(stay())


def test_refusal_of_a_namespace_of_the_reference(reference: str, options: dict[str, Any]) -> None:
    async def knock() -> None:
        with pytest.raises(ConnectError, match="unauthorized"):
            async with connect(f"{reference}/private", **options):
                raise AssertionError
        async with connect(f"{reference}/private", auth={"token": "s3cret"}, **options) as socket:
            assert (await socket.emit_with_ack("who", timeout=20)) == {"token": "s3cret"}

    asyncio.run(knock())


def test_client_is_back_after_the_reference_has_closed(
    reference: str, options: dict[str, Any]
) -> None:
    async def lose() -> None:
        async with connect(reference, **options) as socket:
            await moved(socket.manager)
            reasons: asyncio.Queue[str] = asyncio.Queue()
            socket.on("disconnect", lambda reason: reasons.put_nowait(str(reason)))
            socket.emit("drop")
            # Deno ends the QUIC connection and not the session: clients in JavaScript say the same.
            assert await reasons.get() == "transport error"
            await socket.wait_connected(20)
            await moved(socket.manager)
            assert await socket.emit_with_ack("ack", "on", timeout=20) == "on"

    asyncio.run(lose())


def test_server_whose_certificate_has_another_hash_is_not_believed(reference: str) -> None:
    async def knock() -> TransportError:
        options: dict[str, Any] = {"transports": ["webtransport"], "reconnection": False}
        other = ["00" * 32]
        async with Manager(reference, server_certificate_hashes=other, **options) as manager:
            with pytest.raises(TransportError) as caught:
                await manager.open()
            return caught.value

    assert asyncio.run(knock()).cause is FailureCause.CERTIFICATE


# --- their client, our server ---------------------------------------------------------------------


def run_client(io: Server, certificate: Certificate, transports: list[str]) -> dict[str, Any]:
    """What the client of the reference tells."""

    async def serve() -> bytes:
        webtransport = WebTransport(certificate.certfile, certificate.keyfile)
        async with io.listen(webtransport=webtransport) as listener:
            client = await asyncio.create_subprocess_exec(
                peers.deno(),
                *RUN,
                INTEROP / "clients" / "webtransport.mjs",
                *(listener.url, certificate.hash, ",".join(transports)),
                stdout=subprocess.PIPE,
            )
            async with asyncio.timeout(60):
                printed, _ = await client.communicate()
            return printed

    told: dict[str, Any] = json.loads(asyncio.run(serve()))
    return told


@pytest.mark.parametrize("way", WAYS)
def test_client_of_the_reference_talks_with_our_server(certificate: Certificate, way: str) -> None:
    assert run_client(native_server(), certificate, WAYS[way]) == {
        "transport": "webtransport",
        "text": "é" * 1000,
        "bytes": 100_000,
        "reason": "io server disconnect",
    }


def test_client_of_the_reference_is_refused_by_a_middleware(certificate: Certificate) -> None:
    io = native_server()

    @io.use
    def nobody(socket: Any) -> None:
        raise ConnectError("not today")

    assert run_client(io, certificate, WAYS["direct"]) == {"error": "not today"}
