"""Servers that run in a thread, and that outlive event loops, as in tests of applications."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import sockwave.sync
from sockwave import Server, Socket
from sockwave.engine import Engine
from sockwave.testing import LinkedClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.engine.server.fronts.serving import Listener


class Running:
    """A server that runs in a thread."""

    def __init__(self, run: Callable[..., None], **options: Any) -> None:
        self.listener: Listener | None = None
        self._is_listening = threading.Event()
        self._thread = threading.Thread(
            target=run,
            args=("127.0.0.1", 0),
            kwargs={"on_listening": self._listening, **options},
        )
        self._thread.start()
        assert self._is_listening.wait(15)

    def _listening(self, listener: Listener) -> None:
        self.listener = listener
        self._is_listening.set()

    @property
    def url(self) -> str:
        assert self.listener is not None
        return f"http://127.0.0.1:{self.listener.port}"

    def ended(self) -> bool:
        self._thread.join(15)
        return not self._thread.is_alive()


@pytest.mark.logs_errors  # of the client, which is left behind
@pytest.mark.parametrize("is_hosted", [False, True], ids=["native", "hosted"])
def test_server_runs_in_a_thread_until_it_is_stopped_and_then_again(is_hosted: bool) -> None:
    io = Server()
    options: dict[str, Any] = {"app": Starlette()} if is_hosted else {}
    io.stop()  # nothing runs yet
    for number in range(2):
        running = Running(io.run, **options)
        with sockwave.sync.connect(running.url) as socket:
            events = socket.events("x", timeout=40)
            io.emit("x", number)
            assert next(events) == (number,)
            io.stop()
            assert running.ended()
        assert not io.sockets
        io.emit("x", "to nobody")


def test_engine_runs_in_a_thread() -> None:
    engine = Engine()
    running = Running(engine.run)
    engine.stop()
    assert running.ended()


class Client:
    """Calls an application in a loop and thread of its own, as test clients of frameworks do."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Client:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(15)
        self._loop.close()

    def request(self, target: str, body: bytes | None = None) -> str:
        calling = self._request(target, body)
        return asyncio.run_coroutine_threadsafe(calling, self._loop).result(15)

    async def _request(self, target: str, body: bytes | None) -> str:
        path, _, query = target.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET" if body is None else "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(b"host", b"testserver")],
            "client": ("testclient", 50_000),
            "server": ("testserver", 80),
        }
        answer = b""
        incoming = [{"type": "http.request", "body": body or b"", "more_body": False}]

        async def receive() -> Any:
            if incoming:
                return incoming.pop()
            return await asyncio.get_running_loop().create_future()

        async def send(event: Any) -> None:
            nonlocal answer
            answer += event.get("body", b"")

        await self._app(scope, receive, send)
        return answer.decode()


def application(io: Server) -> Any:
    """An application with a route that emits, behind the server."""

    async def emit(request: Any) -> PlainTextResponse:
        io.emit("x", 1)
        for socket in list(io.sockets.values()):
            socket.emit("x", 2)
        answers = await io.emit_with_ack("x", timeout=0.01)
        return PlainTextResponse(f"{len(await io.fetch_sockets())} {len(answers)}")

    def emit_in_thread(request: Any) -> PlainTextResponse:
        io.emit("x", b"3")
        return PlainTextResponse("emitted")

    return io.wrap(Starlette(routes=[Route("/emit", emit), Route("/thread", emit_in_thread)]))


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_application_may_be_tested_again_and_again() -> None:
    io = Server()
    app = application(io)
    ends: list[str] = []
    io.event("disconnect")(lambda socket, reason: ends.append(reason))
    for number in range(3):
        with Client(app) as client:
            assert client.request("/emit") == "0 0"
            assert client.request("/thread") == "emitted"
            opened = client.request("/socket.io/?EIO=4&transport=polling")
            sid = opened.partition('"sid":"')[2].partition('"')[0]
            polling = f"/socket.io/?EIO=4&transport=polling&sid={sid}"
            assert client.request(polling, b"40") == "ok"
            assert client.request(polling).startswith('40{"sid":')
            assert len(io.sockets) == 1
            assert client.request("/thread") == "emitted"
            assert client.request(polling).startswith("451-")
        assert len(ends) == number
        with Client(app) as client:
            assert client.request("/thread") == "emitted"
            assert client.request("/emit") == "0 0"


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_server_serves_one_loop_after_the_other() -> None:
    io = Server()
    seen: list[Socket] = []
    io.on("connection", seen.append)

    async def once() -> None:
        client = LinkedClient(io)
        await client.connect()
        io.emit("x")
        assert await client.received() == ("x", [])

    for _ in range(3):
        asyncio.run(once())
        io.emit("to nobody")
        for socket in seen:
            socket.emit("to nobody")
            socket.emit("to nobody", ack=print)
            socket.disconnect()
    asyncio.run(io.close())
    assert not io.sockets


def test_handlers_of_namespaces_that_a_thread_makes_run_in_the_loop() -> None:
    io = Server()
    made: list[tuple[str, int]] = []

    @io.on("new_namespace")
    async def note(namespace: Any) -> None:
        await asyncio.sleep(0)
        made.append((namespace.name, threading.get_ident()))

    async def run() -> None:
        async with LinkedClient(io):
            await asyncio.to_thread(io.of, "/made")
            async with asyncio.timeout(40):
                while not made:
                    await asyncio.sleep(0)

    asyncio.run(run())
    assert made == [("/made", threading.get_ident())]
