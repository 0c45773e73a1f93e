"""The processes of hosts that people use, joined by `WorkersAdapter`."""

from __future__ import annotations

import os
import signal
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from sockwave.codec.websocket import encode_frame
from tests.support.peers import package
from tests.support.process import DEADLINE, ServerProcess, free_port
from tests.workers.programs import Visitor, alive

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unix

APP: Final = """
import os
from sockwave import Server
from sockwave.adapters import WorkersAdapter

io = Server(ping_interval=300.0, adapter=WorkersAdapter({directory!r}))

@io.on("connection")
def connection(socket):
    socket.join("all")
    socket.on("pid", os.getpid)
    socket.on("client", lambda: [*socket.request.client, socket.request.is_secure])
    socket.on("say", lambda text: io.to("all").emit("said", text))

async def inner(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({{"type": "lifespan.startup.complete"}})
        print("serves", os.getpid(), flush=True)
        await receive()
        await send({{"type": "lifespan.shutdown.complete"}})

app = io.wrap(inner)
"""

FORKING: Final = """
import os, signal, socket, sys
import uvicorn
from chat import app

sock = socket.create_server(("127.0.0.1", int(sys.argv[1])))
children = []
for _ in range(3):
    child = os.fork()
    if not child:
        uvicorn.Server(uvicorn.Config(app, lifespan="on")).run(sockets=[sock])
        os._exit(0)
    children.append(child)
signal.signal(signal.SIGINT, lambda *_: [os.kill(child, signal.SIGINT) for child in children])
for child in children:
    os.waitpid(child, 0)
"""
"""As a host does it that imports the application before it forks (`gunicorn --preload`)."""


@dataclass(frozen=True)
class Host:
    """How a host is started with three processes; PORT stands for the port."""

    arguments: tuple[str, ...]


HOSTS: Final = {
    "uvicorn": Host(
        (
            *("-m", "uvicorn", "chat:app", "--port", "PORT", "--workers", "3"),
            # It takes processes for dead that have not started within 5 s.
            *("--timeout-worker-healthcheck", "60"),
        )
    ),
    "hypercorn": Host(
        ("-m", "hypercorn", "chat:app", "--bind", "127.0.0.1:PORT", "-k", "uvloop", "-w", "3")
    ),
    "granian": Host(
        (
            *("-m", "granian", "chat:app", "--interface", "asgi", "--port", "PORT"),
            *("--workers", "3", "--respawn-failed-workers", "--workers-kill-timeout", "1"),
        )
    ),
    "gunicorn": Host(
        (
            *("-m", "gunicorn", "chat:app", "-k", "uvicorn_worker.UvicornWorker"),
            *("--bind", "127.0.0.1:PORT", "--workers", "3", "--graceful-timeout", "1"),
            "--no-control-socket",  # it would be in the home directory
        )
    ),
    "forking": Host(("fork.py", "PORT")),
}


SURVIVING: Final = ("uvicorn", "granian", "gunicorn", "forking")
"""Those that go on when one of their processes was killed: Hypercorn stops the others then."""


@pytest.fixture(params=list(HOSTS))
def host(request: pytest.FixtureRequest, tmp_path: Path) -> ServerProcess:
    arguments = HOSTS[request.param].arguments
    if arguments[0] == "-m":
        package(arguments[1])
    (tmp_path / "chat.py").write_text(APP.format(directory=str(tmp_path / "run")))
    (tmp_path / "fork.py").write_text(FORKING)
    port = free_port()
    given = [text.replace("PORT", str(port)) for text in arguments]
    return ServerProcess(*given, directory=tmp_path, port=port)


def visitors_of_all(host: ServerProcess) -> dict[int, Visitor]:
    """A client of each of the three processes, by the number of that."""
    visitors: dict[int, Visitor] = {}
    while len(visitors) < 3:
        visitor = Visitor(host.port)
        visitor.open()
        visitors[visitor.ask("pid")] = visitor
    return visitors


def by_websocket(visitor: Visitor, question: bytes, answer: bytes) -> None:
    """Move to a WebSocket, on whatever connection, and ask there."""
    with closing(visitor.connection()) as sock:
        sock.sendall(
            f"GET /socket.io/?EIO=4&transport=websocket{visitor._sid} HTTP/1.1\r\n"
            "Host: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        read = b""
        while b"\r\n\r\n" not in read:
            read += sock.recv(65_536)
        assert read.startswith(b"HTTP/1.1 101 ")
        sock.sendall(encode_frame(1, b"2probe", mask=True))
        while b"3probe" not in read:
            read += sock.recv(65_536)
        sock.sendall(encode_frame(1, b"5", mask=True))
        sock.sendall(encode_frame(1, question, mask=True))
        while answer not in read:
            read += sock.recv(65_536)


def test_processes_of_a_host_are_one_server(host: ServerProcess) -> None:
    with host:
        visitors = visitors_of_all(host)
        for _ in range(5):  # each request on a connection of its own, which any of them may get
            for pid, visitor in visitors.items():
                assert visitor.ask("pid") == pid
        for number, visitor in enumerate(visitors.values()):
            visitor.emit("say", number)
            for other in visitors.values():
                assert other.events() == [["said", number]]
        for visitor in visitors.values():
            address, _, is_secure = visitor.ask("client")
            assert (address, is_secure) == ("127.0.0.1", False)
        for pid, visitor in visitors.items():
            by_websocket(visitor, b'421["pid"]', b"431[%d]" % pid)


def first_answer(visitor: Visitor) -> tuple[int, bytes]:
    """What a process answers. The dead one may have had several threads, which end one by one: as
    long as one is there the system gives it connections, and resets them then."""
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            return visitor.request()
        except ConnectionResetError:
            if time.monotonic() > deadline:
                raise


@pytest.mark.parametrize("host", SURVIVING, indirect=True)
def test_process_that_is_killed_leaves_the_others_unharmed(host: ServerProcess) -> None:
    with host:
        visitors = visitors_of_all(host)
        victim, *others = visitors
        os.kill(victim, signal.SIGKILL)
        while alive(victim):  # until then the system may give it connections
            time.sleep(0.01)
        unknown = (400, b'{"code":1,"message":"Session ID unknown"}')
        assert first_answer(visitors[victim]) == unknown
        for _ in range(3):
            for pid in others:
                assert visitors[pid].ask("pid") == pid
        newcomer = Visitor(host.port)
        newcomer.open()
        assert newcomer.ask("pid") != victim
        newcomer.emit("say", "hello")
        for visitor in (newcomer, *(visitors[pid] for pid in others)):
            assert visitor.events() == [["said", "hello"]]
