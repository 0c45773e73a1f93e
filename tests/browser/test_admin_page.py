"""The stock Admin UI in Chromium, against three workers."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

import sockwave.sync
from tests.admin.helpers import HASH
from tests.browser.windows import Window
from tests.cli.process import SockwaveProcess, free_port
from tests.support import peers
from tests.support.admin_page import CHAT, Person, three_workers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.browser, pytest.mark.unix, pytest.mark.timeout(180)]

CLIENTS = 8


@pytest.fixture
def window() -> Iterator[Window]:
    window = Window(peers.browser())
    yield window
    window.close()


def test_a_socket_of_another_worker_is_watched_moved_and_disconnected(
    window: Window, tmp_path: Path
) -> None:
    with three_workers(tmp_path) as port:
        watch(window, port)


def watch(window: Window, port: int) -> None:
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


def test_who_may_only_read_has_no_buttons(window: Window, tmp_path: Path) -> None:
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
