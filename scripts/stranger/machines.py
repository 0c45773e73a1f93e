"""From one process to three machines: the chat grows, and nobody misses anything."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from scripts.stranger.desk import Failed
from tests.live.sites import site
from tests.support.pages import merged

if TYPE_CHECKING:
    from scripts.stranger.desk import Desk, Terminal
    from scripts.stranger.ledger import Block, Page

__all__ = ["one_process", "three_machines"]

ONE: Final = "1. One process"
WORKERS: Final = "2. Workers: all cores of one machine"
THREE: Final = "3. Three servers, and Redis between them"
RECOVERY: Final = "4. Nobody misses anything"
JOB: Final = "5. A job that emits"
WATCH: Final = "6. What to watch"
LONG: Final = 60.0


def changed(desk: Desk, page: Page, *titles: str) -> None:
    """Change `chat.py` as sections of the page say."""
    program = (desk.folder / "chat.py").read_text()
    for title in titles:
        for block in page.take("python", title):
            program = merged(program, desk.text(block.code))
    (desk.folder / "chat.py").write_text(program)


def one_process(chat: Desk, page: Page) -> None:
    """The chat of the tutorial by the command, then with two workers."""
    (commands,) = page.take("sh", ONE)
    install, run = chat.lines(commands)
    chat.run(install)
    with chat.serve(run) as process:
        chat.client("chat", chat.url(), "1")
        process.end()
    changed(chat, page, WORKERS)
    start, reload = page.take("sh", WORKERS)
    (run,), (renew,) = chat.lines(start), chat.lines(reload)
    with chat.serve(run) as process:
        chat.client("chat", chat.url(), "2", "who")
        chat.run(renew)
        chat.client("chat", chat.url(), "2", "who")
        process.end()


@dataclass
class Machine:
    """One of the three.

    Attributes:
        line: That starts it.
        port: As the page has it.
    """

    desk: Desk
    line: str
    port: str
    stack: ExitStack
    process: Terminal | None = None

    def start(self) -> None:
        """Start it, for the first time or again."""
        port = self.desk.port(self.port)
        self.process = self.stack.enter_context(self.desk.terminal(self.line, port))

    def end(self) -> None:
        """Press Ctrl-C."""
        assert self.process is not None
        self.process.end()

    def health(self) -> dict[str, Any]:
        """What it tells of itself."""
        with urllib.request.urlopen(f"{self.desk.url(self.port)}/health", timeout=LONG) as reply:
            told: dict[str, Any] = json.loads(reply.read())
            return told

    def wait_until_it_is_well(self) -> None:
        """It hears both others.

        Raises:
            Failed: It takes too long.
        """
        end = time.monotonic() + LONG
        while not ((told := self.health())["is_healthy"] and told["servers"] == 3):
            if time.monotonic() > end:
                raise Failed(f"{self.line}\nis not well: {told}")
            time.sleep(0.05)


def three(
    chat: Desk, stack: ExitStack, redis: Block, servers: Block, nginx: Block
) -> dict[str, Machine]:
    """Redis, the three by their names, and nginx in front of them."""
    (line,) = chat.lines(redis)
    stack.enter_context(chat.terminal(line, chat.port("6379")))
    machines = {}
    for as_written, line in zip(servers.code.splitlines(), chat.lines(servers), strict=True):
        found = re.match(r"SERVER=(\w) .*--port (\d+)$", as_written)
        if found is None:
            raise Failed(f"no server with a name and a port: {as_written}")
        machine = machines[found[1]] = Machine(chat, line, found[2], stack)
        machine.start()
    stack.enter_context(site(chat.text(nginx.code), chat.port("8000"), chat.folder))
    return machines


def three_machines(chat: Desk, page: Page) -> None:
    """Three servers on Redis behind nginx, without and with recovery."""
    redis, servers = page.take("sh", THREE)
    (nginx,) = page.take("nginx", THREE)
    changed(chat, page, THREE)
    with ExitStack() as stack:
        machines = three(chat, stack, redis, servers, nginx)
        chat.client("chat", chat.url("8000"), "2", "who")
        for machine in machines.values():
            machine.end()
    changed(chat, page, RECOVERY, WATCH)
    (redis,) = page.take("sh", RECOVERY)
    with ExitStack() as stack:
        machines = three(chat, stack, redis, servers, nginx)
        nobody_misses_anything(chat, stack, machines, page)


def nobody_misses_anything(
    chat: Desk, stack: ExitStack, machines: dict[str, Machine], page: Page
) -> None:
    """Start two of the servers anew while somebody speaks at the third; then let a job speak."""
    line = chat.client_line("audience", chat.url("8000"), chat.url("3002"))
    audience = stack.enter_context(chat.terminal(line, sign="all are here"))
    for name in ("a", "c"):
        machines[name].end()
        machines[name].start()
        for machine in machines.values():
            machine.wait_until_it_is_well()
    (chat.folder / "over").touch()
    audience.wait_for("nobody has missed any of")
    by_command, by_program = page.take("sh", JOB)
    (program,) = page.take("python announce.py", JOB)
    chat.write("announce.py", program.code)
    for block in (by_command, by_program):
        for command in chat.lines(block):
            chat.run(command)
    audience.wait_for("guest 0 reads: The library closes at six")
    audience.wait_for("guest 0 reads: The library has closed")
    for machine in machines.values():
        if machine.health()["server"] not in machines:
            raise Failed(f"{machine.line}\ntells of itself {machine.health()}")
        machine.end()
