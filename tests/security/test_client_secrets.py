"""What a client lets out and takes in: certificates, buffers, line ends, redirects."""

from __future__ import annotations

import array
import asyncio
import ssl
import subprocess
from typing import TYPE_CHECKING, Any, Final

import pytest

from sockwave import TransportError, connect
from tests.client.servers import native_server
from tests.security.hostile import ACCEPTED, Hostile
from tests.security.victims import FAST, failure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sockwave.types import TransportName

SECRETS: Final = {"Authorization": "Bearer s3cret", "Cookie": "id=s3cret"}

# --- V18: certificates ----------------------------------------------------------------------------

_SIGNED: Final = {
    "self-signed": ("IP:127.0.0.1", "-days 2"),
    "expired": ("IP:127.0.0.1", "-days -1"),
    "wrong host": ("DNS:other.example", "-days 2"),
}


@pytest.mark.parametrize("kind", _SIGNED)
@pytest.mark.parametrize("scheme", ["https", "wss"])
async def test_v18_certificates_are_checked_by_default(
    tmp_path: Path, transport: TransportName, kind: str, scheme: str
) -> None:
    name, validity = _SIGNED[kind]
    make_certificate(tmp_path, name, validity.split())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    trusting = ssl.create_default_context(cafile=tmp_path / "cert.pem")
    async with native_server().listen(ssl=context) as listener:
        url = listener.url.replace("http:", f"{scheme}:")
        errors = [await failure(url, transports=[transport])]
        if kind != "self-signed":  # not for its authority alone
            errors.append(await failure(url, transports=[transport], ssl=trusting))
    for error in errors:
        assert isinstance(error, TransportError)
        assert isinstance(error.__cause__, ssl.SSLCertVerificationError)


def make_certificate(folder: Path, name: str, validity: list[str]) -> None:
    """A key, and a certificate that it has signed itself."""
    command = [
        *"openssl req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem".split(),
        *("-subj", "/CN=test"),
    ]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (folder / "extensions").write_text(f"subjectAltName={name}\n")
    command = [
        *"openssl x509 -req -in request.pem -signkey key.pem -out cert.pem".split(),
        *("-extfile", "extensions"),
        *validity,
    ]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


# --- V21: buffers that are not of bytes -----------------------------------------------------------

_DOUBLES: Final = array.array("d", [1.0, 2.0])
_BYTES: Final = bytearray(range(64))
VIEWS: Final[dict[str, Any]] = {
    "doubles": memoryview(_DOUBLES),
    "bytearray": _BYTES,
    "sliced": memoryview(_BYTES)[10:20],
    "strided": memoryview(_BYTES)[::3],
    "backwards": memoryview(_BYTES)[::-1],
    "two dimensions": memoryview(_BYTES).cast("B", (8, 8)),
    "empty": memoryview(b""),
    "read-only": memoryview(bytes(_BYTES)).toreadonly(),
}


@pytest.mark.parametrize("kind", VIEWS)
async def test_v21_buffers_arrive_as_exactly_their_bytes(
    transport: TransportName, kind: str
) -> None:
    view = VIEWS[kind]
    async with native_server().listen() as listener:
        async with connect(listener.url, transports=[transport], **FAST) as socket:
            assert await socket.emit_with_ack("ack", view, timeout=40) == bytes(view)
            assert await socket.emit_with_ack("ack", {"a": [view]}, timeout=40) == {
                "a": [bytes(view)]
            }


async def test_v21_buffers_that_cannot_be_sent_raise_at_the_caller() -> None:
    released = memoryview(b"gone")
    released.release()
    async with native_server().listen() as listener:
        async with connect(listener.url, **FAST) as socket:
            for wrong in (released, array.array("d", [1.0])):
                with pytest.raises(TypeError):
                    socket.emit("log", wrong)
            assert await socket.emit_with_ack("get_log", timeout=40) == []


# --- V40: what cannot stand in a request ----------------------------------------------------------

INJECTIONS: Final = ("a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rb", "a\x00b")
PLACES: Final[dict[str, Callable[[str], dict[str, Any]]]] = {
    "header": lambda text: {"extra_headers": {"X-Header": text}},
    "name of a header": lambda text: {"extra_headers": {text: "x"}},
    "cookie": lambda text: {"extra_headers": {"Cookie": text}},
    "path": lambda text: {"path": f"/{text}"},
    "subprotocol": lambda text: {"protocols": [text]},
    "timestamp": lambda text: {"timestamp_param": text},
}


@pytest.mark.parametrize("text", INJECTIONS)
@pytest.mark.parametrize("place", PLACES)
def test_v40_line_ends_in_options_are_refused_where_they_are_set(place: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        connect("http://127.0.0.1:9", auto_connect=False, **PLACES[place](text))


@pytest.mark.parametrize("text", INJECTIONS)
@pytest.mark.parametrize("place", ["query", "query of the url", "function for headers"])
async def test_v40_line_ends_elsewhere_reach_no_header(
    transport: TransportName, place: str, text: str
) -> None:
    server = Hostile(transport, [ACCEPTED])
    async with server.serve() as url:
        options: dict[str, Any] = {"transports": [transport]}
        if place == "query":
            options["query"] = {text: text}
        elif place == "query of the url":
            url += f"/?x={text}"
        if place == "function for headers":
            error = await failure(url, extra_headers=lambda: {"X-Header": text}, **options)
            assert isinstance(error.__cause__, ValueError)
            assert not server.heads
            return
        try:
            async with connect(url, **FAST, **options):
                pass
        except ValueError:
            assert not server.heads
    for head in server.heads:
        assert "x-evil" not in head.partition("\r\n")[2].lower()
        assert "\x00" not in head and "\r" not in head.replace("\r\n", "")


@pytest.mark.parametrize("url", ["http://a\r\nb/", "http://127.0.0.1:1\r\nX: y", "http://a\x00b"])
def test_v40_urls_with_line_ends_are_refused_or_cleaned(url: str) -> None:
    try:
        socket = connect(url, auto_connect=False)
    except ValueError:
        return
    assert not set("\r\n\x00") & set(socket.manager.server.host)


# --- V45: redirects -------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_v45_redirects_are_followed_nowhere(transport: TransportName, status: int) -> None:
    other = Hostile(transport, [ACCEPTED])
    async with other.serve() as elsewhere:
        for target in (elsewhere, elsewhere.replace("http:", "https:"), "/again", "//127.0.0.1:9"):
            head = f"HTTP/1.1 {status} Elsewhere\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n"
            server = Hostile(transport, answer=head.encode())
            async with server.serve() as url:
                error = await failure(
                    url,
                    transports=[transport],
                    extra_headers=SECRETS,
                    auth={"token": "s3cret"},
                    with_credentials=True,
                )
            assert isinstance(error, TransportError)
            assert error.status == status
            assert str(status) in str(error)
            assert len(server.sessions) == 1
    assert not other.heads


async def test_v45_redirect_of_an_open_session_ends_it(transport: TransportName) -> None:
    """Later requests of polling are not sent elsewhere either."""
    other = Hostile("polling", [ACCEPTED])
    server = Hostile("polling", [ACCEPTED])
    async with other.serve() as elsewhere, server.serve() as url:
        async with connect(url, transports=["polling"], extra_headers=SECRETS, **FAST) as socket:
            lost: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
            socket.on("disconnect", lambda reason, error: lost.put_nowait((reason, error)))
            location = f"Location: {elsewhere}\r\nContent-Length: 0\r\n\r\n"
            server.answer = b"HTTP/1.1 302 Elsewhere\r\n" + location.encode()
            socket.emit("event")
            reason, error = await lost.get()
    assert reason == "transport error"
    assert error.status == 302
    assert not other.heads
