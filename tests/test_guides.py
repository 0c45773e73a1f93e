"""Every program of the guides runs, and a client sees what they say, on a port."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest

from tests.support.raw import within
from tests.support.sections import Section, sections

PAGES: Final = ("server-guide.md", "emit-cheatsheet.md", "delivery.md")
LESSONS: Final = [each for page in PAGES for each in sections(page) if each.has_code]


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.title)
def test_client_sees_what_the_page_says(lesson: Section) -> None:
    asyncio.run(within(lesson.play(), 60))


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.title)
def test_program_is_whole_and_its_client_claims_something(lesson: Section) -> None:
    assert "io = Server(" in "".join(lesson.server)
    assert any("assert " in block for block in lesson.client)
