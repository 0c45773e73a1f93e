"""The Admin UI over three workers, and what a person does on it."""

from __future__ import annotations

import json
import os
import textwrap
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.admin.helpers import HASH
from tests.cli.process import SockwaveProcess, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.browser.windows import Window

__all__ = ["CHAT", "Person", "three_workers"]

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


@contextmanager
def three_workers(folder: Path) -> Iterator[int]:
    """Serve a chat by three workers, whose password is known; gives the port."""
    (folder / "sw_admin.py").write_text(textwrap.dedent(CHAT))
    os.environ["SOCKWAVE_ADMIN_HASH"] = HASH
    port = free_port()
    options = ("sw_admin:io", "--admin", "--workers", "3", "--port", str(port))
    try:
        with SockwaveProcess("run", *options, directory=folder, port=port) as server:
            server.wait_for("with 3 workers")
            yield port
    finally:
        del os.environ["SOCKWAVE_ADMIN_HASH"]


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
