"""What a process does about those who connect to have requests answered."""

from __future__ import annotations

import asyncio
import errno
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from sockwave.platform import unix_socket
from sockwave.workers import relay_in
from sockwave.workers.link import HEARD, Link
from sockwave.workers.numbers import Claim, relay_path
from sockwave.workers.relay_in import RelayedRequests
from tests.support.apps import echo_engine
from tests.support.raw import within

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.unix

SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "GET",
    "path": "/engine.io/",
    "query_string": b"EIO=4&transport=polling",
    "headers": [[b"host", b"a"]],
    "client": ["192.0.2.7", 7],
}


class Failing:
    """A listening socket that cannot accept at first."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.has_failed = False

    def fileno(self) -> int:
        return self._sock.fileno()

    def accept(self) -> Any:
        if not self.has_failed:
            self.has_failed = True
            raise OSError(errno.EMFILE, "too many open files")
        return self._sock.accept()


@asynccontextmanager
async def owner(directory: Path, heard: float = 5.0, **options: Any) -> AsyncIterator[Any]:
    """A process that serves sessions; gives a function that connects to it."""
    engine, _ = echo_engine(**options)
    engine.engine.driver.bind()
    claim = Claim(str(directory / "run"))
    listening: Any = Failing(claim.listening)
    requests = RelayedRequests(engine.engine, listening, heard)

    async def connect() -> Link:
        sock = unix_socket("stream")
        sock.setblocking(False)
        sock.connect(relay_path(claim.directory, claim.number))
        _, link = await asyncio.get_running_loop().create_unix_connection(Link, sock=sock)
        return link

    yield connect
    await engine.close(shutdown_timeout=0)
    await requests.aclose()
    claim.release()


async def answer(link: Link) -> list[Any]:
    return [await within(link.receive()) for _ in range(3)]


async def test_request_is_answered_as_if_it_had_come_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when descriptors are short for a moment."""
    monkeypatch.setattr(relay_in, "ACCEPT_PAUSE", 0.01)
    async with owner(tmp_path) as connect:
        link = await connect()
        await link.send(SCOPE)
        heard, start, body = await answer(link)
        assert heard["type"] == HEARD
        assert start["status"] == 200
        assert body["body"].startswith(b'0{"sid":')
        link.close()
        assert await within(link.receive()) is None
        with pytest.raises(ConnectionResetError):
            await link.send(SCOPE)


async def test_who_says_nothing_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_in, "ACCEPT_PAUSE", 0.01)
    async with owner(tmp_path, heard=0.05) as connect:
        assert await within((await connect()).receive()) is None


async def test_rubbish_is_cut_off_and_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(relay_in, "ACCEPT_PAUSE", 0.01)
    async with owner(tmp_path) as connect:
        for rubbish in (b"\x00\x00\x00\x01\x01\xc1", b"\x00\x00\x00\x01\x01\x80", b"\xff" * 9):
            link = await connect()
            assert link.transport is not None
            link.transport.write(rubbish)
            assert await within(link.receive()) is None
        assert caplog.text.count("cannot be read") == 3
        link = await connect()
        await link.send({"type": "http"})
        assert (await within(link.receive()))["type"] == HEARD
        assert await within(link.receive()) is None
        assert "internal error in a request of another process" in caplog.text


async def test_process_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(relay_in, "ACCEPT_PAUSE", 0.01)
    monkeypatch.setattr(relay_in, "is_same_user", lambda sock: False)
    async with owner(tmp_path) as connect:
        assert await within((await connect()).receive()) is None
    assert "refused: a process of another user" in caplog.text


async def test_who_does_not_end_a_request_that_is_answered_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_in, "ACCEPT_PAUSE", 0.01)
    monkeypatch.setattr(relay_in, "REST", 0.05)
    async with owner(tmp_path) as connect:
        link = await connect()
        await link.send(SCOPE)
        await answer(link)
        assert await within(link.receive()) is None
