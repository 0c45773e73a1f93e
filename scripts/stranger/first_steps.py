"""From the first look to a test of one's own: README, tutorial, testing."""

from __future__ import annotations

import textwrap
import urllib.request
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from scripts.stranger.desk import Failed
from scripts.stranger.javascript import javascript, window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scripts.stranger.desk import Desk, Place, Terminal
    from scripts.stranger.ledger import Page

__all__ = ["chat_folder", "first_example", "make_client", "own_test", "tutorial"]

LAST: Final = "io.run(app=app)"
"""How the tutorial's program ends: on port 3000."""


def see_that_it_is_the_wheel(desk: Desk) -> None:
    """What was installed comes from the wheel, and from nowhere else."""
    with zipfile.ZipFile(desk.place.wheel) as wheel:
        (name,) = (each for each in wheel.namelist() if each.endswith(".dist-info/RECORD"))
        built = wheel.read(name).decode().splitlines()
    (record,) = desk.venv.glob(f"lib/python3.*/site-packages/{name}")
    installed = record.read_text().splitlines()
    # pip writes its own lines for what it adds, this file among them.
    if not {line for line in built if line.startswith("sockwave/")} <= {*installed}:
        raise Failed(f"not the wheel: {record}")


def first_example(place: Place, readme: Page, index: Page) -> Desk:
    """What README and the first page of the documentation show."""
    desk = place.desk("first")
    desk.run("python -m venv .venv")
    (install,) = readme.take("sh", "Install")
    for line in desk.lines(install):
        desk.run(line)
    see_that_it_is_the_wheel(desk)
    (server,) = readme.take("python", "Sockwave")
    (same,) = index.take("python", "Sockwave")
    (client,) = readme.take("js", "Sockwave")
    if same.code != server.code:
        raise Failed(f"{readme.name} and {index.name} show different servers")
    desk.write("server.py", server.code)
    with desk.terminal("python server.py", desk.port()) as process:
        answer = javascript(desk, client.code, after="socket.close();")
        if answer.strip() != "hello":
            raise Failed(f"the client of {readme.name} prints {answer!r}")
        process.end()
    (block,) = index.take("sh", "Sockwave")
    again, demo = desk.lines(block)
    desk.run(again)
    command, _, _ = demo.partition("#")
    with desk.serve(f"{command.strip()} --no-open") as process:
        if "<title>" not in read(desk.url()):
            raise Failed("the demo serves no page")
        process.end()
    return desk


def make_client(desk: Desk, readme: Page) -> None:
    """Install the client by the words of the README; clients of other stages run with it."""
    line = 'pip install "sockwave[client]"'
    if f"`{line}`" not in readme.text:
        raise Failed(f"{readme.name} does not tell of {line}")
    desk.run(line)


def read(url: str) -> str:
    """What is served there."""
    with urllib.request.urlopen(url, timeout=30) as reply:
        return str(reply.read().decode())


@contextmanager
def served(desk: Desk) -> Iterator[Terminal]:
    """The chat, as the tutorial starts it."""
    with desk.terminal(".venv/bin/python chat.py", desk.port()) as server:
        yield server


@contextmanager
def windows(desk: Desk, *names: str) -> Iterator[tuple[Terminal, Terminal]]:
    """The page in windows of people with these names, and the server."""
    with served(desk) as server, window(desk, desk.url(), *names) as them:
        yield them, server


def chat_folder(place: Place, page: Page) -> Desk:
    """The folder of the tutorial, with what it installs."""
    desk = place.desk("chat")
    (install,) = page.take("sh", "1. Install")
    for line in desk.lines(install):
        desk.run(line)
    see_that_it_is_the_wheel(desk)
    return desk


def tutorial(desk: Desk, page: Page) -> None:
    """The chat, run after each of its sections."""
    (last,) = page.take("python last", "2. A server and a page")
    if last.code.count(LAST) != 1:
        raise Failed(f"{page.name} ends its program in another way than {LAST}")
    end = last.code.replace(LAST, f"io.run(app=app, port={desk.port()})")
    code: list[str] = []
    html: list[str] = []

    def write(title: str, missing: str = "") -> None:
        code.extend(block.code for block in page.take("python", title))
        html.extend(block.code for block in page.take("html", title))
        desk.write("chat.py", *code, end)
        desk.write("chat.html", *html, missing)

    write("2. A server and a page", "</script>")
    with windows(desk, "Ada") as (ada, server):
        ada.wait_for("Ada> You are connected")
        server.end()
        with served(desk):
            ada.wait_for("Ada> You are connected(?s:.*)Ada> You are connected")
    write("3. Who is there?", "</script>")
    with windows(desk, "", "Ada", "Grace") as (all_of_them, server):
        all_of_them.wait_for("nobody> Please give a name")
        all_of_them.wait_for("Ada> Grace is here")
        server.end()
    write("4. Talk")
    with windows(desk, "Ada", "Grace") as (both, server):
        both.wait_for("Ada> Grace: hello")
        both.wait_for(r"Grace> You: hello \(delivered\)")
        if "io" not in read(f"{desk.url()}/socket.io/socket.io.min.js"):
            raise Failed("the server hands out no client")
        server.end()


def own_test(desk: Desk, client: Desk, page: Page) -> None:
    """The test of the chat, and what else the page about testing shows."""
    title = "Testing your handlers"
    (test,) = page.take("python", title)
    desk.write("test_chat.py", test.code)
    (commands,) = page.take("sh", title)
    output = "".join([desk.run(line) for line in desk.lines(commands)])
    if "2 passed" not in output:
        raise Failed(output)

    (network,) = page.take("python fragment", "A network that fails")
    inside = textwrap.indent(network.code, " " * 8)
    client.write("network.py", NETWORK.format(inside))
    client.run("python network.py")

    carriers = page.take("python fragment", "Several servers, and carriers of your own")
    broker, driver, adapter, disturbed = (block.code for block in carriers)
    desk.write("several.py", broker, SEVERAL)
    desk.run("python several.py")
    desk.write("test_carrier.py", CARRIER, driver, adapter, disturbed)
    desk.run("python -m pytest -q -x test_carrier.py")


NETWORK: Final = """
import asyncio

import sockwave
from sockwave.testing import FaultProxy


async def main():
    io = sockwave.Server()
    async with io.listen(host="127.0.0.1", port=0) as listening:
        port = listening.port
{}

asyncio.run(main())
"""

SEVERAL: Final = """
import asyncio

from sockwave import Server
from sockwave.testing import LinkedClient


async def main():
    here, there = (Server(adapter=cluster_adapter()) for _ in range(2))
    async with LinkedClient(here), LinkedClient(there) as client:
        async with asyncio.timeout(60):
            while await here.server_count() < 2:
                await asyncio.sleep(0.02)
            while not client.received_nowait():
                here.emit("news")
                await asyncio.sleep(0.02)
    await here.close()
    await there.close()


asyncio.run(main())
"""

CARRIER: Final = """
from sockwave.adapters import ClusterAdapter, MemoryBroker

broker = MemoryBroker()


def MyDriver(url):
    return broker.driver()


def MyAdapter(url):
    driver = broker.driver()
    return lambda namespace: ClusterAdapter(namespace, driver)


def restart_my_server():
    pass
"""
