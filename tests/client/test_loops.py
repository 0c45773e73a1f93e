"""One client in several event loops, one after the other: it works anew in each."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import ClientSocket, Disconnected, Manager, connect
from tests.sync.conftest import server_in_a_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

TRANSPORTS = pytest.mark.parametrize("transport", ["polling", "websocket"])


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with server_in_a_thread() as url:
        yield url


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, 10))


def cut(work: Coroutine[Any, Any, Any]) -> Any:
    """A loop that is closed without a word to its tasks."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(asyncio.wait_for(work, 10))
    finally:
        loop.close()


async def call(socket: ClientSocket, number: int) -> Any:
    return await socket.emit_with_ack("ack", number, timeout=40)


async def wait_and_call(socket: ClientSocket, number: int) -> Any:
    await socket.wait_connected(40)
    return await call(socket, number)


async def emit(socket: ClientSocket, number: int) -> Any:
    echoes = socket.events("echo")
    socket.emit("echo", number)
    return (await anext(echoes))[0]


async def emit_with_a_callback(socket: ClientSocket, number: int) -> Any:
    answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    socket.emit("ack", number, ack=answer.set_result)
    return await answer


@TRANSPORTS
@pytest.mark.parametrize("work", [call, wait_and_call, emit, emit_with_a_callback])
def test_client_works_anew_in_the_next_loop(
    url: str, transport: Any, work: Callable[[ClientSocket, int], Coroutine[Any, Any, Any]]
) -> None:
    socket = connect(url, auto_connect=False, transports=[transport])
    left: list[str] = []
    socket.on("disconnect", left.append)

    async def use(number: int) -> Any:
        if number == 0:
            socket.connect()
        return await work(socket, number)

    for number in range(3):
        assert run(use(number)) == number
        assert not socket.connected
    run(socket.aclose())


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("work", [call, wait_and_call, emit, emit_with_a_callback])
def test_client_works_anew_after_a_loop_that_was_cut(
    url: str, work: Callable[[ClientSocket, int], Coroutine[Any, Any, Any]]
) -> None:
    """Its tasks were not cancelled, so nobody has told the client."""
    socket = connect(url, auto_connect=False)
    left: list[str] = []
    socket.on("disconnect", left.append)

    async def use(number: int) -> Any:
        if number == 0:
            await socket.wait_connected(40)
        return await work(socket, number)

    for number in range(3):
        assert cut(use(number)) == number
    run(socket.aclose())
    assert left[:2] == ["forced close"] * 2
    gc.collect()


def test_namespaces_come_back_together(url: str) -> None:
    manager = Manager(url, auto_connect=False)
    main, chat = manager.socket(), manager.socket("/chat")

    async def use() -> None:
        await main.wait_connected(40)
        await chat.wait_connected(40)
        assert await call(main, 1) == await call(chat, 1) == 1

    async def use_one() -> None:
        await call(main, 2)
        await chat.wait_connected(40)

    run(use())
    run(use_one())
    run(manager.close())
    assert not main.active or not main.connected


def test_queue_of_retries_goes_on_in_the_next_loop(url: str) -> None:
    """An event that was not acknowledged when the loop ended holds it up no longer than others."""
    socket = connect(url, auto_connect=False, retries=1, ack_timeout=0.2)

    async def ask_in_vain() -> None:
        await socket.wait_connected(40)
        socket.emit("silent")
        socket.emit("echo", "behind")
        await asyncio.sleep(0)

    async def go_on() -> Any:
        echoes = socket.events("echo")
        await socket.wait_connected(40)
        return await anext(echoes)

    run(ask_in_vain())
    assert run(go_on()) == ("behind",)
    run(socket.aclose())


def test_client_that_was_closed_in_one_loop_can_be_closed_in_another(url: str) -> None:
    socket = connect(url, auto_connect=False)
    run(call_once(socket))
    run(socket.aclose())
    run(socket.manager.close())


async def call_once(socket: ClientSocket) -> None:
    async with socket:
        assert await call(socket, 1) == 1


def test_client_between_two_loops_says_that_there_is_none(url: str) -> None:
    socket = connect(url, auto_connect=False)
    run(wait_and_call(socket, 1))
    with pytest.raises(Disconnected, match="event loop of the client has ended"):
        socket.emit("echo", 1)
    with pytest.raises(Disconnected, match="event loop of the client has ended"):
        socket.connect()
    assert run(wait_and_call(socket, 2)) == 2
    run(socket.aclose())
