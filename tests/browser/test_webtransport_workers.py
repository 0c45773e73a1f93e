"""The stock client in Chromium, by WebTransport, against four workers."""

from __future__ import annotations

import hashlib
import os
import signal
import ssl
import time
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.browser.windows import Window
from tests.support import peers
from tests.support.certificate import write_certificate
from tests.workers.programs import Program

pytest.importorskip("aioquic")

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.browser, pytest.mark.unix, pytest.mark.timeout(180)]

MORE: Final = """
from sockwave import WebTransport
@io.on("connection")
def telling(socket):
    def where():
        names = [type(each).__name__ for each in io.engine.driver.connections]
        return [os.getpid(), "RelayedSession" in names]
    socket.on("where", where)
"""
VISIT: Final = """
const [options, done] = arguments;
options.transportOptions = {webtransport: {serverCertificateHashes:
  [{algorithm: "sha-256", value: new Uint8Array(options.hash)}]}};
const socket = window.socket = io(options);
window.gone = null;
socket.on("disconnect", (reason) => { window.gone = reason; });
socket.on("connect_error", (error) => done({failed: error.message}));
const talk = async () => {
  const large = "é".repeat(100000);
  const same = await socket.timeout(9000).emitWithAck("echo", large) === large;
  const sent = new Uint8Array([1, 2]);
  const back = new Uint8Array(await socket.timeout(9000).emitWithAck("echo", sent));
  done({same, bytes: Array.from(back), where: await socket.timeout(9000).emitWithAck("where")});
};
const wait = () => {
  if (socket.connected && socket.io.engine.transport.name === "webtransport") talk();
  else setTimeout(wait, 5);
};
wait();
"""
LEAVE: Final = """
const done = arguments[0];
window.socket.once("disconnect", () => setTimeout(done, 0));
window.socket.disconnect();
"""
UNTIL_GONE: Final = """
const done = arguments[0];
const wait = () => {
  if (window.gone !== null) { done(window.gone); return; }
  window.socket.emit("echo", "are you there?");
  setTimeout(wait, 200);
};
wait();
"""


@pytest.fixture(scope="module")
def window() -> Iterator[Window]:
    window = Window(peers.browser())
    yield window
    window.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificate(tmp_path_factory.mktemp("webtransport") / "both.pem")


def program(tmp_path: Path, certificate: Path) -> Program:
    return Program(
        tmp_path,
        "4",
        more=MORE,
        arguments=f"webtransport=WebTransport({str(certificate)!r})",
        options='transports=["polling", "websocket", "webtransport"], serve_client=True',
    )


class Page:
    """A page that the workers serve, with their client in it."""

    def __init__(self, window: Window, served: Program, certificate: Path) -> None:
        text = certificate.read_text()
        der = ssl.PEM_cert_to_DER_cert(text[text.index("-----BEGIN CERTIFICATE") :])
        self._hash = list(hashlib.sha256(der).digest())
        self._driver = window.driver
        self._driver.set_script_timeout(40)
        self._driver.get(f"http://127.0.0.1:{served.port}/socket.io/socket.io.min.js")
        source = (
            "const [path, done] = arguments; const s = document.createElement('script');"
            "s.src = path; s.onload = () => done(); document.documentElement.appendChild(s);"
        )
        self._driver.execute_async_script(source, "/socket.io/socket.io.min.js")

    def visit(self, *transports: str) -> tuple[int, bool]:
        """Connect, and talk by WebTransport.

        Returns:
            The worker, and whether another one carries a session for it.
        """
        options = {
            "transports": transports,
            "forceNew": True,
            "reconnection": False,
            "hash": self._hash,
        }
        found: dict[str, Any] = self._driver.execute_async_script(VISIT, options)
        pid, is_carried = found.pop("where", (0, False))
        assert found == {"same": True, "bytes": [1, 2]}
        return pid, is_carried

    def leave(self) -> None:
        """Disconnect."""
        self._driver.execute_async_script(LEAVE)

    def until_gone(self) -> str:
        """Send something now and then until the client sees the end; give its reason."""
        reason: str = self._driver.execute_async_script(UNTIL_GONE)
        return reason


def test_direct_and_by_upgrade(tmp_path: Path, certificate: Path, window: Window) -> None:
    with program(tmp_path, certificate) as served:
        page = Page(window, served, certificate)
        workers, carried = set(), []
        for number in range(24):
            others = [] if number % 3 == 2 else ["polling", "websocket"][: 1 + number % 3]
            pid, is_carried = page.visit(*others, "webtransport")
            workers.add(pid)
            if others:
                carried.append(is_carried)
            page.leave()
        assert workers <= set(served.workers())
        assert len(workers) > 1
        assert any(carried)
        assert not all(carried)


def test_killed_worker_is_noticed_before_the_ping_timeout(
    tmp_path: Path, certificate: Path, window: Window
) -> None:
    with program(tmp_path, certificate) as served:  # its pings are minutes apart
        page = Page(window, served, certificate)
        pid, _ = page.visit("webtransport")
        began = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        assert page.until_gone() == "transport error"
        assert time.monotonic() - began < 20
        assert page.visit("webtransport")[0] != pid
