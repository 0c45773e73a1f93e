"""Hypothesis profiles: the same examples on every run, and many more when SOCKWAVE_FUZZ is set.

And which tests are slow or need engines, and which are about what only one kind of system has.
"""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings

from sockwave.platform import is_windows

SLOW: Final = {"browser", "history", "security", "test_frozen.py"}
"""Tests that take minutes, or all of a core: `make test` does without."""

LIVE: Final = "live"
"""The folder of tests that start Redis, PostgreSQL or NATS: `make test-live` runs them."""

HERE: Final = Path(__file__).parent

collect_ignore = [LIVE] if is_windows() else []
"""Engines are started and stopped in the ways of Unix."""

# Tests that others inherit: what they compare is shown.
pytest.register_assert_rewrite("sockwave.testing")

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=100)
settings.register_profile("fuzz", deadline=None, max_examples=2_000)
settings.load_profile("fuzz" if os.environ.get("SOCKWAVE_FUZZ") else "ci")

# Twenty thousand tests and all that they import stay: the collector need not go through them, over
# and over while they come, and then again with every full collection of a test.
gc.disable()


def pytest_collection_finish() -> None:
    """From here on the collector goes through what tests make, and nothing else."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what is slow or needs engines; leave out what is about Windows elsewhere, or Unix there.

    Windows may be pretended, see `tests/elsewhere`.
    """
    for item in items:
        if not item.path.is_relative_to(HERE):
            continue
        folder = item.path.relative_to(HERE).parts[0]
        if folder in SLOW:
            item.add_marker(pytest.mark.slow)
        elif folder == LIVE:
            item.add_marker(pytest.mark.live)
    other = "unix" if is_windows() else "windows"
    left_out = [item for item in items if item.get_closest_marker(other) is not None]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
