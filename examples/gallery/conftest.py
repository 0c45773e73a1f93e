"""What the tests of the gallery share: the program of their folder, in a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.gallery import run_program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where the program listens; what it writes goes to a folder of the test."""
    with run_program(request.path.parent.name, tmp_path) as process:
        yield f"http://127.0.0.1:{process.port}"
        assert process.interrupt() == 0
    assert "Traceback" not in process.output
