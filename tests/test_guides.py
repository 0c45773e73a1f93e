"""Every program of the guides runs, and a client sees what they say, on a port."""

from __future__ import annotations

import asyncio
import re
from typing import Final

import pytest

from sockwave import DisconnectReason
from tests.support.documents import DOCS
from tests.support.peers import package
from tests.support.raw import within
from tests.support.sections import Section, sections

PAGES: Final = (
    "server-guide.md",
    "routers.md",
    "emit-cheatsheet.md",
    "delivery.md",
    "migrating-from-flask-socketio.md",
    "migrating-from-node.md",
    "migrating-from-python-socketio.md",
    "observing.md",
)
LESSONS: Final = [each for page in PAGES for each in sections(page) if each.has_code]


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.title)
def test_client_sees_what_the_page_says(lesson: Section) -> None:
    for needed in lesson.packages:
        package(needed)
    asyncio.run(within(lesson.play(), 60))


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.title)
def test_program_is_whole_and_its_client_claims_something(lesson: Section) -> None:
    assert "io = Server(" in "".join(lesson.server)
    assert any("assert " in block for block in lesson.client)


def test_reasons_of_the_end_of_a_socket_are_all_there() -> None:
    life = (DOCS / "server-guide.md").read_text().partition("## The life of a socket\n")[2]
    told = re.findall(r"^\| `([a-z ]+)` \|", life.partition("\n## ")[0], re.MULTILINE)
    of_clients = {DisconnectReason.IO_SERVER_DISCONNECT, DisconnectReason.IO_CLIENT_DISCONNECT}
    assert sorted(told) == sorted({*DisconnectReason} - of_clients)
