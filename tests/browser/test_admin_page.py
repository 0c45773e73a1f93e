"""The stock Admin UI in Chromium, against three workers."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

import sockwave.sync
from tests.admin.helpers import HASH
from tests.browser.windows import Window
from tests.cli.process import SockwaveProcess, free_port
from tests.support import peers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.browser, pytest.mark.unix, pytest.mark.timeout(180)]

CHAT = """
    import os
    from sockwave import Server

    io = Server(connection_records=100)

    @io.on("connection")
    def connection(socket):
        socket.join("lobby")
        socket.data["name"] = "Ada"
        socket.on("pid", os.getpid)
        socket.on("say", lambda text: socket.emit("said", text))
"""
CLIENTS = 8


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Of three workers, whose password is known."""
    (tmp_path / "sw_admin.py").write_text(textwrap.dedent(CHAT))
    monkeypatch.setenv("SOCKWAVE_ADMIN_HASH", HASH)
    port = free_port()
    options = ("sw_admin:io", "--admin", "--workers", "3", "--port", str(port))
    with SockwaveProcess("run", *options, directory=tmp_path, port=port) as server:
        server.wait_for("with 3 workers")
        yield port


@pytest.fixture
def window() -> Iterator[Window]:
    window = Window(peers.browser())
    yield window
    window.close()


class Person:
    """Who looks at the page."""

    def __init__(self, window: Window, port: int) -> None:
        self.window = window
        self._port = port
        window.driver.get(f"http://127.0.0.1:{port}/socket.io/admin/")

    def log_in(self, password: str) -> None:
        """Fill in the form and press its button."""
        window = self.window
        window.until(lambda: window.find(".v-dialog input[type=password]"))
        inputs = window.driver.find_elements(By.CSS_SELECTOR, ".v-dialog input:not([role=switch])")
        answers = (f"http://127.0.0.1:{self._port}", "admin", password)
        for field, text in zip(inputs, answers, strict=True):
            field.send_keys(Keys.CONTROL, "a")
            field.send_keys(text)
        self.press(".v-dialog [type=submit]")

    def press(self, selector: str, *, of_row: str = "") -> None:
        """Press the first button, as soon as it can be pressed; of the row that has this text."""
        script = """const [selector, text] = arguments;
            const found = [...document.querySelectorAll(selector)].find(
              (each) => !text || each.closest("tr").innerText.includes(text));
            if (!found || found.disabled) return false;
            found.click(); return true;"""
        self.window.until(lambda: self.window.run(script, selector, of_row))

    def go(self, place: str) -> None:
        """Open one of its pages."""
        self.window.run("location.hash = arguments[0]", place)

    def reads(self, *texts: str) -> None:
        """Wait until the page shows these."""
        self.window.until(lambda: all(text in self.text for text in texts))

    def reads_no(self, text: str) -> None:
        """Wait until the page shows this no more."""
        self.window.until(lambda: text not in self.text)

    @property
    def text(self) -> str:
        """All of the page, with what it asks."""
        text: str = self.window.run("return document.body.innerText")
        return text

    def kept(self) -> dict[str, Any]:
        """What the page keeps for the next time."""
        text: str = self.window.run("return JSON.stringify({...localStorage})")
        found: dict[str, Any] = json.loads(text)
        return found


def test_a_socket_of_another_worker_is_watched_moved_and_disconnected(
    window: Window, port: int
) -> None:
    clients = [
        sockwave.sync.connect(f"http://127.0.0.1:{port}", transports=["websocket"])
        for _ in range(CLIENTS)
    ]
    try:
        pids = [client.emit_with_ack("pid") for client in clients]
        worker_of = dict(zip((client.id for client in clients), pids, strict=True))
        assert len(set(worker_of.values())) > 1
        person = Person(window, port)
        person.log_in("wrong")
        person.reads("Invalid credentials")
        person.log_in("open sesame")
        person.reads("CONNECTED", "HEALTHY")
        assert "open sesame" not in json.dumps(person.kept())

        person.go("#/servers")
        person.reads(*(str(pid) for pid in set(worker_of.values())))
        person.go("#/sockets")
        person.reads(*(str(client.id) for client in clients))

        for client in (clients[0], next(c for c in clients if is_elsewhere(c, clients, worker_of))):
            sid = str(client.id)
            heard: list[Any] = []
            client.on("said", heard.append)
            person.go(f"#/n/%2F/sockets/{sid}")
            person.reads(sid, "Ada", "lobby", "Join a room")
            client.emit("say", "hello")
            person.go("#/events")
            person.reads("Event name: say", "Event name: said")
            person.go(f"#/n/%2F/sockets/{sid}")
            person.reads("lobby")
            person.press("main tr:has(.mdi-tag-off-outline) button", of_row="lobby")
            person.go(f"#/n/%2F/sockets/{sid}")  # the press has opened the page of the room, too
            person.reads_no("lobby")
            person.reads(sid)
            ended: list[str] = []
            client.on("disconnect", lambda reason, *_: ended.append(str(reason)))  # noqa: B023 # of this round
            person.press("main button:has(.mdi-logout)")
            window.until(lambda: ended)  # noqa: B023 # of this round
            assert ended == ["io server disconnect"]
            person.go("#/sockets")
            person.reads_no(sid)
        person.go("#/events")
        person.reads("server namespace disconnect")

        clients[-1].close()
        person.reads("client namespace disconnect")
    finally:
        for client in clients:
            client.close()


def is_elsewhere(client: Any, clients: list[Any], worker_of: dict[Any, int]) -> bool:
    """Whether a client is at another worker than the first one: one of both is not the page's."""
    return worker_of[client.id] != worker_of[clients[0].id]


def test_who_may_only_read_has_no_buttons(
    window: Window, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sw_admin.py").write_text(
        textwrap.dedent(CHAT)
        + f'\nio.instrument(auth=("admin", "{HASH}"), readonly=True, serve=True)\n'
    )
    port = free_port()
    options = ("sw_admin:io", "--port", str(port))
    with SockwaveProcess("run", *options, directory=tmp_path, port=port):
        client = sockwave.sync.connect(f"http://127.0.0.1:{port}", transports=["websocket"])
        client.emit_with_ack("pid")
        sid = str(client.id)
        person = Person(window, port)
        person.log_in("open sesame")
        person.reads("CONNECTED")
        person.go(f"#/n/%2F/sockets/{sid}")
        person.reads(sid, "lobby")
        signs = ".mdi-logout, .mdi-tag-off-outline"
        assert (
            window.run(
                f"""const buttons = [...document.querySelectorAll("main button:has({signs})")];
            return buttons.filter((each) => !each.disabled).length"""
            )
            == 0
        )
        client.close()
