"""Blocking emitters: threads, forks, the end."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

import sockwave.sync
from sockwave.errors import TransportError
from sockwave.sync.emitters import BlockingEmitter
from sockwave.sync.engines import PortalEngine

if TYPE_CHECKING:
    from sockwave.adapters.messages import Message
    from sockwave.emitters.asking import Hearer


class FileEngine:
    """Appends a line for each message to a file, with the process and the thread that did it."""

    name = "a file"

    def __init__(self, path: str) -> None:
        self._path = path

    def encode(self, message: Message) -> str:
        name: str = message.data["packet"]["data"][0]
        return name

    async def send(self, encoded: str) -> None:
        if encoded == "fail":
            raise TransportError("it failed")
        with open(self._path, "a") as file:  # noqa: ASYNC230 # a line
            file.write(f"{encoded} {os.getpid()} {threading.get_ident()}\n")

    async def listen(self, namespace: str, hearer: Hearer) -> FileEngine:
        raise TransportError("nobody answers")

    async def count(self, namespace: str) -> int:
        return 7

    async def aclose(self) -> None:
        await self.send("closed")


@pytest.fixture
def path(tmp_path: os.PathLike[str]) -> str:
    return os.path.join(tmp_path, "sent")


@pytest.fixture
def emitter(path: str) -> BlockingEmitter[str]:
    engine = PortalEngine(FileEngine(path), lambda: FileEngine(path), "FileEmitter")
    return BlockingEmitter(engine, "/")


def lines(path: str) -> list[list[str]]:
    with open(path) as file:
        return [line.split() for line in file]


def test_event_is_sent_when_the_call_returns(emitter: BlockingEmitter[str], path: str) -> None:
    with emitter:
        emitter.to("lobby").emit("a")
        assert [line[0] for line in lines(path)] == ["a"]
        emitter.to(*[]).emit("b")
    assert [line[0] for line in lines(path)] == ["a", "closed"]
    with pytest.raises(RuntimeError, match="the emitter is closed"):
        emitter.emit("c")
    emitter.close()


def test_nothing_is_made_before_the_first_event(emitter: BlockingEmitter[str], path: str) -> None:
    before = threading.active_count()
    emitter.close()
    assert threading.active_count() == before
    assert not os.path.exists(path)


def test_failure_is_raised_where_it_was_caused(emitter: BlockingEmitter[str]) -> None:
    with emitter, pytest.raises(TransportError, match="it failed"):
        emitter.emit("fail")


def test_threads_share_one_connection(emitter: BlockingEmitter[str], path: str) -> None:
    def emit() -> None:
        for _ in range(50):
            emitter.emit("x")

    with emitter:
        threads = [threading.Thread(target=emit) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(lines(path)) == 401
    assert len({line[2] for line in lines(path)}) == 1


@pytest.mark.unix
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_forked_process_has_a_connection_of_its_own(
    emitter: BlockingEmitter[str], path: str
) -> None:
    with emitter:
        emitter.emit("parent")
        child = os.fork()
        if not child:
            try:
                emitter.emit("child")
                emitter.close()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        emitter.emit("parent")
    names = [(line[0], int(line[1])) for line in lines(path)]
    own = os.getpid()
    assert names == [
        ("parent", own),
        ("child", child),
        ("closed", child),
        ("parent", own),
        ("closed", own),
    ]


def test_addresses_are_checked_before_anything_is_made() -> None:
    with pytest.raises(ValueError, match="must begin with postgresql://"):
        sockwave.sync.PostgresEmitter("redis://localhost")
    with pytest.raises(TypeError, match="dsn must be text"):
        sockwave.sync.PostgresEmitter(7)  # type: ignore[arg-type] # it is wrong
    with pytest.raises(TypeError, match="a URL or a client of Redis is wanted, not int"):
        sockwave.sync.RedisEmitter(7)
    with pytest.raises(TypeError, match="max_length"):
        sockwave.sync.RedisStreamsEmitter("redis://localhost", max_length="x")  # type: ignore[arg-type]
