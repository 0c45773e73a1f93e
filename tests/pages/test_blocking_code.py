"""The programs of `docs/blocking-code.md` do what the page says."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

import pytest

from sockwave import ConnectError, Server, Socket
from sockwave.testing import LinkedClient
from tests.support.documents import blocks
from tests.support.peers import package
from tests.support.process import ServerProcess, free_port
from tests.workers.programs import Visitor

if TYPE_CHECKING:
    from pathlib import Path

THREAD, ORDER, CALL, EMITTING, DJANGO, PROCESS = blocks("blocking-code.md", "python")


def program(code: str) -> dict[str, Any]:
    """The names of a program of the page."""
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(code, "blocking-code.md", "exec"), names)
    return names


class Listening(logging.Handler):
    """Hears what a logger says, in any thread."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = threading.Event()
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()
        self.heard.set()


async def test_log_says_what_the_page_quotes() -> None:
    (quoted,) = blocks("blocking-code.md", "text")
    io, log = Server(block_warning=0.01), Listening()
    logger = logging.getLogger("sockwave.engine")
    logger.addHandler(log)

    @io.event
    def save(socket: Socket) -> None:
        assert log.heard.wait(20), "it is named while it blocks"

    try:
        async with LinkedClient(io) as client:
            client.emit("save")
            while not log.heard.is_set():
                await asyncio.sleep(0)
    finally:
        logger.removeHandler(log)
    name, keeps, rest = log.text.partition(" keeps ")
    assert name.endswith("save")
    assert quoted == f"shop.handlers.save{keeps}{rest.replace('0.01', '0.1')}\n"


async def test_handler_in_a_thread(tmp_path: Path) -> None:
    io = program(THREAD)["io"]
    file = tmp_path / "file"
    file.write_text("one\ntwo\n")
    async with LinkedClient(io) as client:
        assert await client.emit_with_ack("report", "May") == "report of May"
        progress = [("progress", [percent]) for percent in (0, 50, 100)]
        assert client.received_nowait() == progress
        assert await client.emit_with_ack("lines", str(file)) == 2


async def test_order_in_threads() -> None:
    io = program(ORDER)["io"]
    async with LinkedClient(io) as one, LinkedClient(io) as two:
        for number in range(30):
            one.emit("note", str(number))
        assert [await one.received() for _ in range(30)] == [
            ("noted", [str(number)]) for number in range(30)
        ]
        payments = [who.emit_with_ack("pay", "ada", 1) for _ in range(20) for who in (one, two)]
        assert sorted(await asyncio.gather(*payments)) == [*range(1, 41)]


async def test_one_call_in_a_thread(tmp_path: Path) -> None:
    io = program(CALL)["io"]
    file = tmp_path / "file"
    file.write_text("one\ntwo\n")
    async with LinkedClient(io, auth={"name": "ada", "password": "1815"}) as client:
        assert await client.emit_with_ack("first_line", str(file)) == "one\n"
    for auth in ({"name": "ada", "password": "1816"}, {}):
        with pytest.raises(ConnectError, match="log in first"):
            await LinkedClient(io, auth=auth).connect()


async def test_emitting_and_asking_from_threads() -> None:
    io = program(EMITTING)["io"]
    async with LinkedClient(io) as client:
        client.on("which card?", lambda: "queen")
        assert await client.emit_with_ack("deal", "table 1") == "queen is on table 1"
        assert await client.received() == ("dealt", ["queen"])
        client.emit("close_soon")
        assert await client.received() == ("announcement", ["closing time"])


SETTINGS: Final = """
import django
from django.conf import settings

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "users.sqlite3"}},
    INSTALLED_APPS=["django.contrib." + name for name in ("auth", "contenttypes")],
    SECRET_KEY="x",
)
django.setup()
"""

SCENARIO: Final = """
import asyncio
from django.core.management import call_command
from django.db.backends.signals import connection_created
from sockwave.testing import LinkedClient

call_command("migrate", verbosity=0)
user = get_user_model().objects.create_user("ada", last_name="Lovelace")
made = []
connection_created.connect(lambda connection, **_: made.append(connection), weak=False)


@io.use
def admit(socket):
    socket.data["user"] = user.pk


@io.event
def in_the_loop(socket):
    try:
        get_user_model().objects.get()
    except Exception as error:
        return type(error).__name__


async def scenario():
    async with LinkedClient(io) as client:
        assert await client.emit_with_ack("rename", "Ada") == "Ada Lovelace"
        assert await client.emit_with_ack("rename", "A.") == "A. Lovelace"
        assert await client.emit_with_ack("in_the_loop") == "SynchronousOnlyOperation"
    assert len(made) == 2, "each event had a connection of its own"
    assert all(each.connection is None for each in made), "which was closed"
    await user.arefresh_from_db()
    assert user.first_name == "A."


asyncio.run(scenario())
"""


def test_database_of_django(tmp_path: Path) -> None:
    package("django")
    run = subprocess.run(
        [sys.executable, "-c", "\n".join([SETTINGS, DJANGO, SCENARIO])],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr


COMPUTED: Final = """
    from sockwave.testing import LinkedClient

    async def scenario():
        async with LinkedClient(io) as client:
            assert await client.emit_with_ack("primes", 100, timeout=60.0) == 25

    asyncio.run(scenario())
    pool.shutdown()
"""


def test_what_computes_runs_in_another_process(tmp_path: Path) -> None:
    assert PROCESS.endswith("    io.run()\n")
    script = tmp_path / "primes.py"
    script.write_text(PROCESS.replace("    io.run()\n", COMPUTED))
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


STUCK: Final = """
import sys, threading
from sockwave import Server

io = Server(shutdown_timeout=0.5)

@io.event(thread=True)
def stay(socket):
    print("begun", flush=True)
    threading.Event().wait()

io.run(host="127.0.0.1", port=int(sys.argv[1]))
"""


def test_process_waits_for_no_thread(tmp_path: Path) -> None:
    script, port = tmp_path / "stuck.py", free_port()
    script.write_text(STUCK)
    with ServerProcess(str(script), str(port), directory=tmp_path, port=port) as process:
        visitor = Visitor(port)
        visitor.open()
        visitor.emit("stay")
        process.wait_for("begun")
        assert process.interrupt() == 0
    assert "Traceback" not in process.output
