"""What the tests of the gallery share: the program of their folder, in a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.gallery import run_program

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE: Final = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave them out of `make test`: programs start, and rounds are played to their end."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where the program listens; what it writes goes to a folder of the test."""
    with run_program(request.path.parent.name, tmp_path) as process:
        yield f"http://127.0.0.1:{process.port}"
        assert process.interrupt() == 0
    assert "Traceback" not in process.output
