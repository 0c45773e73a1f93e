"""Deployment: the service of systemd on its socket, behind nginx with TLS, and gunicorn."""

from __future__ import annotations

import re
import shutil
import ssl
import urllib.request
from typing import TYPE_CHECKING

from scripts.stranger.desk import Failed
from scripts.stranger.several import ROOMS
from tests.live.sites import site
from tests.support.certificate import write_certificate
from tests.support.process import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scripts.stranger.desk import Desk
    from scripts.stranger.ledger import Page

__all__ = ["behind_nginx", "gunicorn"]


def with_words(text: str, words: Mapping[str, str]) -> str:
    """A file of the page with other places in it, each of which it must name.

    Raises:
        Failed: It does not.
    """
    for old, new in words.items():
        if old not in text:
            raise Failed(f"there is no {old!r} in\n{text}")
        text = text.replace(old, new)
    return text


def read(url: str) -> str:
    """What is there; nobody has signed the certificate."""
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    with urllib.request.urlopen(f"{url}/", context=unchecked, timeout=30) as reply:
        return str(reply.read().decode())


def behind_nginx(chat: Desk, page: Page) -> None:
    """The program as the service that the page describes, and nginx in front."""
    desk = chat.beside("deployed")
    release, port = desk.folder / "release", free_port()
    (release / "public").mkdir(parents=True)
    (desk.folder / "current").symlink_to(release)
    (program,) = page.take("python", "The program")
    (release / "chat.py").write_text(program.code)
    (release / "public" / "index.html").write_text("the page of the chat")
    service, listening = page.take("ini", "systemd")
    socket = f"{desk.folder}/chat.sock"
    if "\nListenStream=/run/chat.sock\n" not in listening.code:
        raise Failed(f"{page.name} has another socket than nginx is told of")

    def value(key: str) -> str:
        (found,) = re.findall(rf"^{key}=(.*)$", service.code, re.MULTILINE)
        return str(found).replace("/srv/chat/venv/bin", str(desk.venv / "bin"))

    (nginx,) = page.take("nginx", "nginx")
    certificate = write_certificate(desk.folder / "chat.pem")
    text = with_words(
        nginx.code,
        {
            "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            "/etc/nginx/chat.pem": str(certificate),
            "/run/chat.sock": socket,
            "/srv/chat": str(desk.folder),
        },
    )
    current = desk.folder / "current"
    activate = shutil.which("systemd-socket-activate")
    if activate is None:
        raise Failed("there is no systemd-socket-activate, which stands for systemd here")
    settings = f"-E PWD={current} -E PATH"
    line = f"-C {current} {activate} -l {socket} {settings} {value('ExecStart')}"
    url = f"https://127.0.0.1:{port}"
    with desk.terminal(line, sign="Listening on") as process, site(text, port, desk.folder):
        desk.client("rooms", url, "--ask", "where", "127.0.0.1, with TLS", "--hear")
        desk.run(value("ExecReload").replace("$MAINPID", str(process.pid)))
        desk.client("rooms", url, "--hear")
        if read(url) != "the page of the chat":
            raise Failed("nginx does not show the page")
        process.end()


def gunicorn(chat: Desk, page: Page) -> None:
    """Processes that gunicorn starts are one server."""
    desk = chat.beside("gunicorn")
    (program,) = page.take("python", "gunicorn")
    (commands,) = page.take("sh", "gunicorn")
    code = with_words(program.code, {"/tmp/chat-sockets": f"{desk.folder}/sockets"})
    desk.write("chat.py", code, ROOMS)
    install, run = desk.lines(commands)
    desk.run(install)
    with desk.terminal(run, desk.port()) as process:
        desk.client("rooms", desk.url(), "--ask", "servers", "4", "--hear")
        process.end()
