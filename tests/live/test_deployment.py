"""`docs/deployment.md`: the service of systemd on its socket, behind nginx and HAProxy.

systemd itself is its own program for trying that, `systemd-socket-activate`, which opens the socket
and becomes the service; what the service says to systemd comes to a socket of the test.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import signal
import socket
import ssl
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Final, Literal
from urllib.request import urlopen

import pytest

import sockwave
from tests.live.commands import Command, ours
from tests.live.sites import site
from tests.support import peers
from tests.support.certificate import write_certificate
from tests.support.examples import EXAMPLES
from tests.support.process import DEADLINE, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

pytestmark = pytest.mark.live

FILES: Final = EXAMPLES / "deployment"
ACTIVATE: Final = shutil.which("systemd-socket-activate")
PORT: Final = {"nginx": "listen 443 ssl", "haproxy": "bind :443 ssl"}
"""Where each listens, in its file."""


def value(key: str) -> str:
    """What the service says of a key; its programs are those of this environment."""
    (found,) = re.findall(rf"^{key}=(.*)$", (FILES / "chat.service").read_text(), re.MULTILINE)
    return str(found).replace("/srv/chat/venv/bin/", "")


def changed(text: str, changes: Mapping[str, str]) -> str:
    """A file with other words in it, each of which it must have."""
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text


class Told:
    """A socket to which a service says how it is."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(DEADLINE)

    def wait_for(self, state: bytes) -> None:
        """Return when it has said this."""
        while state not in self._socket.recv(4096):
            pass

    def close(self) -> None:
        self._socket.close()


@contextmanager
def service(folder: Path, told: Path) -> Iterator[Command]:
    """The service, on a socket in the folder; the first connection starts it."""
    assert ACTIVATE is not None
    release = folder / "release"
    release.mkdir()
    shutil.copy(FILES / "chat.py", release)
    (folder / "current").symlink_to(release)
    settings = {
        "PWD": str(folder / "current"),
        "NOTIFY_SOCKET": str(told),
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "PYTHONUNBUFFERED": "1",
    }
    given = " ".join(f"-E {shlex.quote(f'{key}={text}')}" for key, text in settings.items())
    line = f"{ACTIVATE} -l {folder}/chat.sock {given} {ours(value('ExecStart'))}"
    with Command(line, folder / "current", sign="Listening on") as command:
        yield command


@contextmanager
def proxy(kind: str, folder: Path) -> Iterator[int]:
    """nginx or HAProxy in front of it, on a port."""
    port = free_port()
    certificate = write_certificate(folder / "chat.pem")
    name = {"nginx": "nginx.conf", "haproxy": "haproxy.cfg"}[kind]
    text = (FILES / name).read_text()
    words = {
        PORT[kind]: PORT[kind]
        .replace(":443", f"127.0.0.1:{port}")
        .replace(" 443", f" 127.0.0.1:{port}"),
        f"/etc/{kind}/chat.pem": str(certificate),
        "/run/chat.sock": f"{folder}/chat.sock",
    }
    if kind == "nginx":
        words["/srv/chat"] = str(folder)
        with site(changed(text, words), port, folder):
            yield port
        return
    (folder / "haproxy.cfg").write_text(changed(text, words))
    with Command(f"{peers.haproxy()} -db -f {folder}/haproxy.cfg", folder, port=port):
        yield port


async def talk(port: int, transports: list[Literal["polling", "websocket"]]) -> None:
    """Two clients of one kind, come by the proxy, and hear each other."""
    url = f"https://127.0.0.1:{port}"
    async with (
        sockwave.connect(url, ssl=False, transports=transports) as ada,
        sockwave.connect(url, ssl=False, transports=transports) as grace,
    ):
        said = grace.events("said")
        assert await ada.emit_with_ack("say", "hello", timeout=20.0) == "delivered"
        assert (await anext(said))[0] == "hello"
        assert await ada.emit_with_ack("where", timeout=20.0) == "127.0.0.1, with TLS"


def read(url: str) -> bytes:
    """What is there; nobody has signed the certificate."""
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    with urlopen(url, context=unchecked) as reply:
        return bytes(reply.read())


@pytest.mark.skipif(ACTIVATE is None, reason="there is no systemd here")
@pytest.mark.parametrize("kind", ["nginx", "haproxy"])
async def test_service_on_a_socket_of_systemd_behind_a_proxy(kind: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        told = stack.enter_context(closing(Told(tmp_path / "notify")))
        command = stack.enter_context(service(tmp_path, tmp_path / "notify"))
        port = stack.enter_context(proxy(kind, tmp_path))
        await talk(port, ["websocket"])  # waits in the socket until the service is there
        await asyncio.to_thread(told.wait_for, b"READY=1")
        await talk(port, ["polling"])
        await talk(port, ["polling", "websocket"])
        if kind == "nginx":
            (tmp_path / "release" / "public").mkdir()
            (tmp_path / "release" / "public" / "index.html").write_text("the page")
            assert await asyncio.to_thread(read, f"https://127.0.0.1:{port}/") == b"the page"

        reload = value("ExecReload").replace("$MAINPID", str(command.pid))
        reloading = await asyncio.create_subprocess_shell(ours(reload))
        assert await asyncio.wait_for(reloading.wait(), DEADLINE) == 0
        await asyncio.to_thread(told.wait_for, b"READY=1")
        await talk(port, ["polling", "websocket"])
        assert await asyncio.to_thread(command.end, signal.SIGTERM) == 0
    assert "Traceback" not in command.output
