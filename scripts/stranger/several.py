"""Several processes on one port, and several servers on one Redis."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from scripts.stranger.desk import Failed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scripts.stranger.desk import Desk, Terminal
    from scripts.stranger.ledger import Page

__all__ = ["ROOMS", "redis", "workers"]

SAME: Final = "What is the same, and what is not"
NEW_CODE: Final = "Workers that die, new code, the end"
OTHERS: Final = "Processes of other hosts"
ANYWHERE: Final = "Several machines: requests that come anywhere"

WITH_A_LIFESPAN: Final = """
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from sockwave import ClusterMember, Server

io = Server()


def schedule_nightly_mail():
    print("the mail is scheduled", flush=True)

"""

ITS_APPLICATION: Final = """

@asynccontextmanager
async def lifespan(app):
    await startup()
    yield


@io.on("node_joined")
def told(node):
    print("somebody joined", flush=True)


app = Starlette(lifespan=lifespan)
"""

ROOMS: Final = """

@io.event
async def servers(socket):
    return await io.server_count()


@io.event
def say(socket, text):
    socket.broadcast.emit("said", text)
    return "delivered"
"""


def workers(chat: Desk, page: Page) -> None:
    """Several processes on one port, ours and uvicorn's."""
    (run,) = page.take("sh", "Workers")
    (line,) = chat.lines(run)
    with chat.serve(f"{line} --app chat:app") as process:
        chat.client("chat", chat.url(), "1")
        process.end()

    desk = chat.beside("workers")
    startup, events = page.take("python", SAME)
    desk.write("chat.py", WITH_A_LIFESPAN, startup.code, events.code, ITS_APPLICATION)
    (commands,) = page.take("sh", NEW_CODE)
    run_line, reload_line = desk.lines(commands)
    with desk.serve(f"{run_line} --app chat:app") as process:
        desk.client("rooms", desk.url())
        process.wait_for("the mail is scheduled")
        process.wait_for("somebody joined")
        desk.run(reload_line)
        if process.output.count("the mail is scheduled") != 2:
            raise Failed(f"each first worker schedules the mail once:\n{process.output}")
        process.end()

    desk = chat.beside("uvicorn")
    (program,) = page.take("python", OTHERS)
    (run,) = page.take("sh", OTHERS)
    desk.write("chat.py", program.code.replace("/run/chat", f"{desk.folder}/sockets"), ROOMS)
    (line,) = desk.lines(run)
    with desk.serve(line) as process:
        desk.client("rooms", desk.url(), "--ask", "servers", "4", "--hear")
        process.end()


@contextmanager
def engine(desk: Desk) -> Iterator[Terminal]:
    """A Redis for what a page calls port 6379."""
    line = f"redis-server --port {desk.port('6379')} --save '' --appendonly no"
    with desk.terminal(line, desk.port("6379")) as process:
        yield process


def redis(chat: Desk, page: Page, scaling: Page) -> None:
    """Two servers on one Redis, with each of the programs."""
    (install,) = page.take("sh", "Several machines on Redis")
    for line in chat.lines(install):
        chat.run(line)
    desk = chat.beside("redis")
    programs = {
        "classic": page.take("python", "Several machines on Redis"),
        "streams": page.take("python", "Redis streams"),
        "relayed": scaling.take("python", ANYWHERE),
    }
    with engine(desk):
        for name, (program,) in programs.items():
            desk.write(f"{name}.py", program.code, ROOMS)
            with ExitStack() as stack:
                line = f"sockwave run {name}:io"
                here = stack.enter_context(desk.serve(line, "3001"))
                there = stack.enter_context(desk.serve(line, "3002"))
                both = desk.url("3001"), desk.url("3002")
                desk.client("rooms", *both, "--ask", "servers", "2", "--hear")
                here.end()
                there.end()
    (found,) = page.take("python", "Where Redis is")
    desk.write("found.py", found.code)  # it connects when the first client comes
    desk.run("python found.py")
