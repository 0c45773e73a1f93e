"""Chromium and Firefox for tests to steer, in the running loop and behind one interface.

Chromium is spoken to in its DevTools protocol and Firefox in WebDriver BiDi, both without a driver
program. Both are JSON over a WebSocket, where the answer to a command carries the command's `id`.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import tempfile
from abc import ABC, abstractmethod
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

if TYPE_CHECKING:
    from types import TracebackType

    from websockets.asyncio.client import ClientConnection

__all__ = ["Browser", "BrowserError", "Chromium", "Firefox", "Page"]

PATIENCE: Final = 15.0
"""Seconds until what should happen in a page counts as missing."""

START: Final = 40.0
"""Seconds to start or to end: far more than the three it takes."""

CHROMIUM_FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",  # refused to root otherwise
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--no-first-run",
    "--disable-gpu",
    "--remote-debugging-port=0",
)

FIREFOX_FLAGS: Final = ("--headless", "--no-remote", "--remote-debugging-port", "0")

FIREFOX_PREFERENCES: Final[dict[str, bool | int | str]] = {
    # Nothing but pages of tests is asked for over the network.
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.newtabpage.enabled": False,
    "browser.region.network.url": "",
    "browser.safebrowsing.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "extensions.update.enabled": False,
    "media.gmp-manager.updateEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.proxy.type": 0,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "toolkit.telemetry.server": "data:,",
    # After a failed WebSocket it waits longer and longer before the next one to the same port.
    "network.websocket.delay-failed-reconnects": False,
}


class BrowserError(Exception):
    """A page threw, or the browser did not do what it was told."""


class Page:
    """A tab of a browser."""

    def __init__(self, browser: Browser, id_: str) -> None:
        self._browser = browser
        self._id = id_

    async def run(self, code: str, *args: Any) -> Any:
        """Run JavaScript with `args` in scope; it may `await`, and returns what JSON can hold.

        Raises:
            BrowserError: It threw, or did not end in time.
        """
        expression = (
            f"(async (args) => {{ {code} }})({json.dumps(args)})"
            ".then((value) => JSON.stringify(value ?? null))"
        )
        return json.loads(await self._browser.evaluate(self._id, expression))

    async def until(self, condition: str) -> None:
        """Wait until a JavaScript expression is true."""
        await self.run(
            f"while (!({condition})) await new Promise((resolve) => setTimeout(resolve, 10));"
        )

    async def close(self) -> None:
        """Leave nothing of it: a page that is navigated away from lives on for the back button."""
        await self._browser.close_tab(self._id)


class Browser(ABC):
    """A browser with a profile of its own, from entering to leaving the context."""

    path: ClassVar[str] = ""
    """Where commands go, below the address that the program prints."""

    def __init__(self, executable: Path) -> None:
        self._executable = executable
        self._ids = count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}

    # What differs

    @abstractmethod
    def prepare(self, profile: Path) -> list[str]:
        """Fill the folder of the profile, and return the arguments of the program."""

    @abstractmethod
    async def begin(self) -> None:
        """Send the first command."""

    @abstractmethod
    async def end(self) -> None:
        """Ask it to end."""

    @abstractmethod
    async def open_tab(self) -> str:
        """Open a tab in the foreground; returns its id."""

    @abstractmethod
    async def load(self, tab: str, url: str) -> None:
        """Load an address and wait until it is shown."""

    @abstractmethod
    async def evaluate(self, tab: str, expression: str) -> str:
        """String that a JavaScript promise comes to."""

    @abstractmethod
    async def close_tab(self, tab: str) -> None:
        """Close a tab without asking its page."""

    # What is the same

    async def open(self, url: str) -> Page:
        """Load an address in a tab of its own."""
        tab = await self.open_tab()
        await self.load(tab, url)
        return Page(self, tab)

    async def __aenter__(self) -> Self:
        """Start it."""
        self._folder = tempfile.TemporaryDirectory(
            prefix="sockwave-browser-", ignore_cleanup_errors=True
        )
        profile = Path(self._folder.name)
        self._process = await asyncio.create_subprocess_exec(
            self._executable,
            *self.prepare(profile),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "HOME": str(profile), "MOZ_CRASHREPORTER_DISABLE": "1"},
            start_new_session=True,  # so that its children end with it
        )
        try:
            async with asyncio.timeout(START):
                self._connection = await self._connect()
            self._reading = asyncio.create_task(self._read())
            await self.begin()
        except BaseException:
            await self._kill()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        """Ask it to end; by force if that does not help."""
        try:
            with suppress(BrowserError, WebSocketException):
                await self.end()
            await self._connection.close()
            await self._reading
            async with asyncio.timeout(START):
                await self._process.wait()
        finally:
            await self._kill()

    async def _kill(self) -> None:
        """Take away whatever is left of it."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        self._folder.cleanup()

    async def _connect(self) -> ClientConnection:
        assert self._process.stderr is not None
        said = b""
        while not (found := re.search(rb"listening on (ws://\S+)", said)):
            line = await self._process.stderr.readline()
            if not line:
                raise BrowserError(f"{self._executable} has ended: {said.decode()}")
            said += line
        self._draining = asyncio.create_task(self._drain(self._process.stderr))
        address = urlsplit(found[1].decode())
        assert address.hostname and address.port
        # With a socket, websockets does not look for a proxy in the environment.
        sock = socket.create_connection((address.hostname, address.port))
        return await connect(
            address.geturl() + self.path, sock=sock, max_size=None, ping_interval=None
        )

    async def _drain(self, stream: asyncio.StreamReader) -> None:
        while await stream.read(65_536):
            pass

    async def _read(self) -> None:
        with suppress(WebSocketException):
            async for text in self._connection:
                message = json.loads(text)
                answer = self._answers.pop(message.get("id"), None)
                if answer is not None and not answer.done():
                    answer.set_result(message)
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(BrowserError("the browser has gone"))

    async def command(self, method: str, **fields: Any) -> dict[str, Any]:
        """Send a command, and wait for its answer.

        Args:
            fields: Of the message, beside `id` and `method`.

        Raises:
            BrowserError: The browser refuses, or does not answer in time.
        """
        id_ = next(self._ids)
        answer = asyncio.get_running_loop().create_future()
        self._answers[id_] = answer
        await self._connection.send(json.dumps({"id": id_, "method": method, **fields}))
        try:
            async with asyncio.timeout(PATIENCE):
                message: dict[str, Any] = await answer
        except TimeoutError:
            raise BrowserError(f"no answer to {method} with {fields}") from None
        if "error" in message:
            raise BrowserError(f"{method}: {message}")
        result: dict[str, Any] = message["result"]
        return result


class Chromium(Browser):
    """Chromium by the Chrome DevTools protocol; a tab's id is that of the session with it."""

    def __init__(self, executable: Path) -> None:
        super().__init__(executable)
        self._targets: dict[str, str] = {}

    def prepare(self, profile: Path) -> list[str]:
        """It has nothing to be filled in."""
        return [*CHROMIUM_FLAGS, f"--user-data-dir={profile}", "about:blank"]

    async def begin(self) -> None:
        """It wants nothing."""

    async def end(self) -> None:
        """Close the browser."""
        await self.command("Browser.close")

    async def open_tab(self) -> str:
        """Make a target, and attach to it."""
        target = await self.command("Target.createTarget", params={"url": "about:blank"})
        attached = await self.command("Target.attachToTarget", params={**target, "flatten": True})
        tab: str = attached["sessionId"]
        self._targets[tab] = target["targetId"]
        return tab

    async def load(self, tab: str, url: str) -> None:
        """Navigate, and wait for the document."""
        result = await self.command("Page.navigate", sessionId=tab, params={"url": url})
        if "errorText" in result:
            raise BrowserError(f"{url}: {result['errorText']}")
        await Page(self, tab).until("document.readyState === 'complete'")

    async def evaluate(self, tab: str, expression: str) -> str:
        """Evaluate in the page's own world."""
        params = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        result = await self.command("Runtime.evaluate", sessionId=tab, params=params)
        if "exceptionDetails" in result:
            raise BrowserError(result["exceptionDetails"]["text"])
        return str(result["result"]["value"])

    async def close_tab(self, tab: str) -> None:
        """Close the target, which ends the session."""
        await self.command("Target.closeTarget", params={"targetId": self._targets.pop(tab)})


class Firefox(Browser):
    """Firefox by WebDriver BiDi; a tab's id is that of its top-level context."""

    path = "/session"

    def prepare(self, profile: Path) -> list[str]:
        """Write the preferences."""
        lines = [
            f"user_pref({json.dumps(name)}, {json.dumps(value)});\n"
            for name, value in FIREFOX_PREFERENCES.items()
        ]
        (profile / "user.js").write_text("".join(lines))
        # A folder that does not exist makes it hang without a word.
        return [*FIREFOX_FLAGS, "--profile", str(profile)]

    async def begin(self) -> None:
        """Make a session of WebDriver."""
        await self.command("session.new", params={"capabilities": {}})

    async def end(self) -> None:
        """Close the browser."""
        await self.command("browser.close", params={})

    async def open_tab(self) -> str:
        """Make a context."""
        context = await self.command("browsingContext.create", params={"type": "tab"})
        return str(context["context"])

    async def load(self, tab: str, url: str) -> None:
        """Navigate, and wait for the document."""
        params = {"context": tab, "url": url, "wait": "complete"}
        await self.command("browsingContext.navigate", params=params)

    async def evaluate(self, tab: str, expression: str) -> str:
        """Evaluate in the page's own world."""
        params = {"expression": expression, "awaitPromise": True, "target": {"context": tab}}
        result = await self.command("script.evaluate", params=params)
        if result["type"] != "success":
            raise BrowserError(result["exceptionDetails"]["text"])
        return str(result["result"]["value"])

    async def close_tab(self, tab: str) -> None:
        """Close the context."""
        await self.command("browsingContext.close", params={"context": tab})
