"""Comparison of two revisions: the right files, in turn, the ratio the right way round."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from benchmarks.revisions import ROOT, checkout, compare, environment, interval

Measure = Callable[[Path], float]


def servers(measure: Measure) -> Callable[[Sequence[Path]], AbstractContextManager[Measure]]:
    return lambda _: nullcontext(measure)


def test_revisions_take_turns_and_each_goes_first_as_often(tmp_path: Path) -> None:
    measured: list[Path] = []

    def measure(folder: Path) -> float:
        measured.append(folder)
        return 110.0 if folder == ROOT else 100.0

    result = compare(servers(measure), tmp_path, rounds=2, slices=2, less_is_better=False)
    assert measured == [tmp_path, ROOT, ROOT, tmp_path, ROOT, tmp_path, tmp_path, ROOT]
    assert result.ratios == (1.1,) * 2
    assert (result.now, result.before) == (110.0, 100.0)


def test_an_odd_slice_does_not_count(tmp_path: Path) -> None:
    slices = iter([100.0, 110.0, 110.0, 3.0, 100.0, 110.0])
    result = compare(
        servers(lambda _: next(slices)), tmp_path, rounds=1, slices=3, less_is_better=False
    )
    assert (result.now, result.before) == (110.0, 100.0)


def test_less_memory_counts_as_better(tmp_path: Path) -> None:
    result = compare(
        servers(lambda folder: 2.0 if folder == ROOT else 4.0),
        tmp_path,
        rounds=2,
        slices=1,
        less_is_better=True,
    )
    assert result.ratio == 2.0


def test_one_odd_round_moves_neither_the_median_nor_its_interval_far() -> None:
    ratios = [1.0, 1.01, 0.99, 1.0, 1.0, 1.01, 0.99, 1.0, 1.0, 0.2]
    low, high = interval(ratios)
    assert 0.99 <= low <= high <= 1.01


def test_a_loss_in_every_round_shows_in_the_lower_end() -> None:
    assert interval([0.9, 0.91, 0.92, 0.9, 0.89])[1] < 0.97


def test_another_revision_serves_with_its_own_files() -> None:
    with checkout("HEAD") as folder:
        found = subprocess.run(
            [sys.executable, "-c", "import benchmarks.server, sockwave; print(sockwave.__file__)"],
            cwd=folder,
            env=environment(folder),
            capture_output=True,
            text=True,
            check=True,
        )
        assert found.stdout.strip() == str(folder / "src" / "sockwave" / "__init__.py")
    assert not folder.exists()


def test_an_unknown_revision_is_named() -> None:
    with pytest.raises(SystemExit, match="no-such-revision"), checkout("no-such-revision"):
        pass
