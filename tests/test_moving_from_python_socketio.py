"""What the page says about python-socketio is so: its programs run, and a client sees the same."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest

from tests.support.before import Before, programs_before
from tests.support.peers import package
from tests.support.raw import within

PAGE: Final = "migrating-from-python-socketio.md"
PROGRAMS: Final = programs_before(PAGE)


def test_there_are_programs() -> None:
    assert len(PROGRAMS) >= 6
    assert {program.language for program in PROGRAMS} == {"python"}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.title)
def test_client_sees_of_python_socketio_what_the_page_says(program: Before) -> None:
    package("socketio")
    asyncio.run(within(program.play(), 60))
