"""What the page says about Node's server is so: its programs run, and a client sees the same."""

from __future__ import annotations

from typing import Final

import pytest

from tests.support.before import Before, programs_before
from tests.support.raw import within

pytestmark = pytest.mark.interop

PAGE: Final = "migrating-from-node.md"
PROGRAMS: Final = programs_before(PAGE)
ENDS: Final = "An exception in `connection`"


def test_there_are_programs() -> None:
    assert len(PROGRAMS) >= 5
    assert {program.language for program in PROGRAMS} == {"js"}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.title)
async def test_client_sees_of_node_what_the_page_says(program: Before) -> None:
    written = await within(program.play(), 60)
    assert ("Error: no database" in written) is (program.title == ENDS)
