"""HTTP/1.1 as bare as it is: a connection for each request, and nothing done by itself."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import time
import zlib
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sockwave.cli.doctor.target import Target

__all__ = ["PATIENCE", "Answer", "NoAnswer", "Refused", "ask", "connected", "read_answer"]

PATIENCE: Final = 10.0
"""Seconds for a connection, and for an answer that is due at once."""

LARGEST_HEAD: Final = 64 * 1024
LARGEST_BODY: Final = 4 * 1024 * 1024
"""Bytes of an answer that are read. The ones that are asked for have some hundred."""

_STATUS: Final = re.compile(rb"HTTP/1\.[01] (\d{3})(?: |\r|$)")
_MARKUP: Final = re.compile(r"(?is)<head>.*?</head>|<[^>]*>?")
"""What is no text of a page for people; the title is in its text again."""
_SHOWN: Final = 80
"""Characters of a body that are shown."""


class NoAnswer(Exception):
    """Nothing came back that is of use.

    Attributes:
        what: What came instead, on one line.
        fault: What that may mean; see `advice.FAULTS`.
        after: Seconds since the question.
    """

    def __init__(self, what: str, fault: str, after: float = 0.0) -> None:
        super().__init__(what)
        self.what = what
        self.fault = fault
        self.after = after


@dataclass(frozen=True, slots=True)
class Answer:
    """A response.

    Attributes:
        headers: With names in lower case.
        body: As it came, so it may be compressed.
        after: Seconds from the question to the end of it.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    after: float

    def all(self, name: str) -> list[str]:
        """Values of a header, one for each time that it is there."""
        return [value for key, value in self.headers if key == name]

    def header(self, name: str) -> str:
        """Its value, or nothing."""
        return ", ".join(self.all(name))

    @property
    def content(self) -> bytes:
        """The body, inflated.

        Raises:
            NoAnswer: It is not compressed as it says.
        """
        coding = self.header("content-encoding").lower()
        if coding in ("", "identity"):
            return self.body
        if coding not in ("gzip", "x-gzip", "deflate"):
            raise NoAnswer(f"a body that is compressed by {coding!r}, unasked", "garbled")
        try:
            return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(self.body, LARGEST_BODY)
        except zlib.error as error:
            raise NoAnswer(f"a body that is said to be {coding}: {error}", "garbled") from None

    def __str__(self) -> str:
        """Show it on one line."""
        try:
            text = self.content[: 4 * _SHOWN].decode(errors="replace")
        except NoAnswer as error:
            text = error.what
        text = " ".join(_MARKUP.sub(" ", text).split())
        if place := self.header("location"):
            text = f"to {place}"
        return f"HTTP {self.status} {text[:_SHOWN]}".rstrip()


class Refused(Exception):
    """An answer that is none of those that are good.

    Attributes:
        answer: What came.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__(str(answer))
        self.answer = answer


@asynccontextmanager
async def connected(
    target: Target,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect, and end the connection in the end, without waiting for the peer.

    Raises:
        NoAnswer: There is no connection.
        ssl.SSLCertVerificationError: The certificate is not to be trusted.
    """
    server = target.server
    place = f"{server.host} port {server.port}"
    begin = time.monotonic()
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(
                server.host, server.port, ssl=target.ssl, limit=LARGEST_HEAD
            )
    except ssl.SSLCertVerificationError:
        raise
    except ssl.SSLError as error:
        raise NoAnswer(f"no TLS: {error.reason or error}", _tls_fault(error)) from None
    except (socket.gaierror, UnicodeError) as error:  # the latter for names that are too long
        raise NoAnswer(f"{server.host} is not known: {error}", "unreachable") from None
    except TimeoutError:
        raise NoAnswer(f"{place} does not answer", "unreachable", PATIENCE) from None
    except OSError as error:
        after = time.monotonic() - begin
        fault = "tls-plain" if target.ssl and isinstance(error, ConnectionResetError) else ""
        why = error.strerror or str(error)
        raise NoAnswer(f"no connection to {place}: {why}", fault or "unreachable", after) from None
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def _tls_fault(error: ssl.SSLError) -> str:
    reason = (error.reason or str(error)).upper().replace(" ", "_")
    if "WRONG_VERSION_NUMBER" in reason or "RECORD_LAYER_FAILURE" in reason:
        return "tls-plain"
    return "http2-only" if "NO_APPLICATION_PROTOCOL" in reason else "tls-protocol"


async def ask(
    target: Target,
    method: str,
    request_target: str,
    headers: list[tuple[str, str]] | None = None,
    body: bytes | None = None,
    *,
    patience: float = PATIENCE,
) -> Answer:
    """Ask on a connection of its own, and return the whole answer.

    Args:
        patience: Seconds that the answer may take.

    Raises:
        NoAnswer: None came in time, or it was cut, or it is no HTTP/1.1.
    """
    headers = [*(headers or ()), ("Connection", "close")]
    if body is not None:
        headers.append(("Content-Length", str(len(body))))
        headers.append(("Content-Type", "text/plain;charset=UTF-8"))
    async with connected(target) as (reader, writer):
        begin = time.monotonic()
        # Nobody waits until it is gone: a proxy that refuses a body says so before it has all.
        writer.write(target.head(method, request_target, headers) + (body or b""))
        try:
            async with asyncio.timeout(patience):
                return await read_answer(reader, method, begin)
        except TimeoutError:
            raise NoAnswer(f"no answer within {patience:g} s", "no-answer", patience) from None


async def read_answer(reader: asyncio.StreamReader, method: str, begin: float) -> Answer:
    """Read a response; one that switches protocols ends with its head.

    Raises:
        NoAnswer: The connection ended first, or it is no HTTP/1.1.
    """
    head = b""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            match = _STATUS.match(head)
            if match is None:
                raise _not_http(head, begin)
            status = int(match[1])
            if status == 101 or status >= 200:
                break
        headers = tuple(_fields(head))
        if method == "HEAD" or status in (101, 204, 304):
            body = b""
        else:
            body = await _body(reader, dict(headers))
    except asyncio.IncompleteReadError as error:
        if error.partial and not (head or error.partial.startswith(b"HTTP/")):
            raise _not_http(error.partial, begin) from None
        after = time.monotonic() - begin
        is_begun = head or error.partial
        what = "the connection was closed in an answer" if is_begun else "no answer: closed"
        raise NoAnswer(what, "no-answer", after) from None
    except (asyncio.LimitOverrunError, ValueError):
        raise NoAnswer("an answer that is too large, or malformed", "unexpected") from None
    except OSError as error:
        what = f"no answer: {error.strerror or error}"
        raise NoAnswer(what, "no-answer", time.monotonic() - begin) from None
    return Answer(status, headers, body, time.monotonic() - begin)


def _not_http(data: bytes, begin: float) -> NoAnswer:
    after = time.monotonic() - begin
    if data[3:4] == b"\x04" and data[:2] == b"\0\0":  # SETTINGS, RFC 9113 section 3.4
        return NoAnswer("it speaks HTTP/2 alone", "http2-only", after)
    if data[:1] == b"\x15":  # an alert, RFC 8446 section 5.1
        return NoAnswer("it speaks TLS", "scheme", after)
    return NoAnswer(f"no HTTP/1.1: {data[:20]!r}", "unexpected", after)


def _fields(head: bytes) -> list[tuple[str, str]]:
    fields = []
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if colon:
            fields.append((name.strip().lower(), value.strip()))
    return fields


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return await _chunks(reader)
    if "content-length" in headers:
        length = int(headers["content-length"])
        if not 0 <= length <= LARGEST_BODY:
            raise ValueError(length)
        return await reader.readexactly(length)
    body = bytearray()
    while data := await reader.read(64 * 1024):
        body += data
        if len(body) > LARGEST_BODY:
            raise ValueError(len(body))
    return bytes(body)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while True:
        length = int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16)
        if not 0 <= length <= LARGEST_BODY - len(body):
            raise ValueError(length)
        if length == 0:
            while await reader.readuntil(b"\r\n") != b"\r\n":
                pass  # trailers
            return bytes(body)
        body += await reader.readexactly(length)
        await reader.readexactly(2)
