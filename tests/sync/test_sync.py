"""The blocking client: against our own server, which runs in a thread."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import sockwave.sync
from sockwave import AckTimeout, ConnectError, EventError, TransportError
from tests.sync.conftest import server_in_a_thread

ROOT = Path(__file__).resolve().parent.parent.parent


def test_call_waits_for_its_acknowledgement(url: str) -> None:
    with sockwave.sync.connect(url) as socket:
        assert socket.connected
        assert socket.emit_with_ack("ack", 1, b"2", timeout=40) == (1, b"2")
        with pytest.raises(AckTimeout):
            socket.timeout(0.05).emit_with_ack("silent")
    assert not socket.connected


def test_threads_end_with_the_block(url: str) -> None:
    before = set(threading.enumerate())
    with sockwave.sync.connect(url, handler_threads=3):
        threads = {
            thread
            for thread in set(threading.enumerate()) - before
            # The server lives in this process, too: its loop looks up names in a thread.
            if thread.name.startswith("sockwave") and thread.name != "sockwave watchdog"
        }
        assert len(threads) == 4
    for thread in threads:
        thread.join(40)
        assert not thread.is_alive()


def test_handler_may_make_blocking_calls(url: str) -> None:
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with sockwave.sync.connect(url) as socket:

        @socket.on("echo")
        def echo(value: int) -> None:
            answers.put(socket.emit_with_ack("ack", value + 1, timeout=40))

        socket.emit("echo", 1)
        assert answers.get(timeout=40) == 2


def test_event_error_of_a_handler_is_the_acknowledgement(url: str) -> None:
    errors: list[Exception] = []
    with sockwave.sync.connect(url) as socket:
        socket.manager.on_error(lambda error, *rest: errors.append(error))

        @socket.on("question")
        def question(text: str) -> None:
            raise EventError("unknown", text)

        answered = socket.events("answered")
        socket.emit("ask", "what")
        assert answered.get(timeout=40) == ([{"error": "unknown", "message": "what"}],)
    assert errors == []


def test_what_a_handler_returns_is_the_acknowledgement(url: str) -> None:
    with sockwave.sync.connect(url) as socket:
        socket.on("question", lambda text: text.upper())
        answered = socket.events("answered")
        socket.emit("ask", "why")
        assert answered.get(timeout=40) == (["WHY"],)


def test_handlers_of_one_thread_run_in_order(url: str) -> None:
    seen: queue.SimpleQueue[int] = queue.SimpleQueue()
    with sockwave.sync.connect(url) as socket:
        socket.on("tick", seen.put)
        socket.emit("burst", 100)
        assert [seen.get(timeout=40) for _ in range(100)] == list(range(100))


def test_iteration_ends_when_the_server_disconnects(url: str) -> None:
    with sockwave.sync.connect(url) as socket:
        ticks = socket.events("tick", timeout=40)
        socket.emit("burst", 3)
        socket.emit("leave")
        assert list(ticks) == [(0,), (1,), (2,)]


def test_iteration_can_go_on_after_a_time_out(url: str) -> None:
    with sockwave.sync.connect(url) as socket:
        echoes = socket.events("echo", timeout=0.05)
        with pytest.raises(TimeoutError):
            next(echoes)
        socket.emit("echo", 1)
        assert echoes.get(timeout=40) == (1,)


def test_several_threads_use_one_socket(url: str) -> None:
    results: queue.SimpleQueue[bool] = queue.SimpleQueue()
    with sockwave.sync.connect(url) as socket:

        def call(number: int) -> None:
            answers = [socket.emit_with_ack("ack", number, n, timeout=40) for n in range(20)]
            results.put(answers == [(number, n) for n in range(20)])

        threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert all(results.get(timeout=40) for _ in threads)


def test_namespaces_share_a_connection(url: str) -> None:
    with sockwave.sync.Manager(url) as manager:
        main, chat = manager.socket(), manager.socket("/chat")
        assert manager.socket() is main
        assert main.emit_with_ack("ack", 1, timeout=40) == 1
        assert chat.emit_with_ack("ack", 2, timeout=40) == 2


def test_errors_are_those_of_the_asyncio_client(url: str) -> None:
    with pytest.raises(ConnectError, match="unauthorized"):
        with sockwave.sync.connect(f"{url}/private"):
            raise AssertionError
    with pytest.raises(TransportError):
        with sockwave.sync.connect("http://127.0.0.1:9"):
            raise AssertionError
    with pytest.raises(TypeError, match="no_such"):
        sockwave.sync.connect(url, no_such=1)  # type: ignore[call-arg] # that is the test


def test_closed_socket_says_so(url: str) -> None:
    with sockwave.sync.connect(url) as socket:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        socket.emit_with_ack("ack", 1)


@pytest.mark.parametrize(
    "ending",
    [
        "",
        "raise SystemExit(0)",
        "socket.on('echo', lambda _: socket.emit_with_ack('silent')); socket.emit('echo', 1)",
        (
            "import threading, contextlib\n"
            "def wait():\n    with contextlib.suppress(Exception): socket.emit_with_ack('silent')\n"
            "threading.Thread(target=wait, daemon=True).start()"
        ),
    ],
    ids=["end of script", "exit", "handler that waits", "thread that waits"],
)
def test_interpreter_ends_with_a_socket_open(url: str, ending: str) -> None:
    script = (
        "import sockwave.sync, sys\n"
        "socket = sockwave.sync.connect(sys.argv[1])\n"
        "socket.wait_connected(40)\n"
        f"{ending}\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, url],
        cwd=ROOT,
        timeout=90,
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stderr) == (0, "")


def test_interpreter_ends_while_no_server_answers() -> None:
    script = "import sockwave.sync; s = sockwave.sync.connect('http://127.0.0.1:9'); s.emit('x')"
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, timeout=90, capture_output=True, text=True
    )
    assert run.returncode == 0
    for line in run.stderr.splitlines():  # none, if the end came before the first failure
        assert line.startswith("no connection to http://127.0.0.1:9: xhr poll error: ")


def test_slow_handlers_lose_nothing() -> None:
    """The server's time-outs pass many times while the events of one burst are handled."""
    io = sockwave.Server(ping_interval=0.2, ping_timeout=1.6)

    @io.event
    def burst(socket: sockwave.Socket, count: int) -> None:
        for number in range(count):
            socket.emit("tick", number)

    got: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with (
        server_in_a_thread(io) as url,
        sockwave.sync.connect(url, reconnection=False, max_pending_handlers=10) as socket,
    ):
        socket.on("disconnect", lambda reason: got.put(reason))

        @socket.on("tick")
        def tick(number: int) -> None:
            time.sleep(0.03)
            got.put(number)

        socket.emit("burst", 120)
        assert [got.get(timeout=60) for _ in range(120)] == list(range(120))
        assert socket.connected
