"""Each question about workers gets its answers, from servers that run; no matter which."""

from __future__ import annotations

import os
import re
from typing import Final

import pytest

from benchmarks.cluster import QUESTIONS, Size
from benchmarks.programs import processor_time, program

pytestmark = pytest.mark.unix

TINY: Final = Size(
    rounds=1, seconds=0.05, crowd=40, audience=24, members=40, kept=2, rest=0.05, settling=0.0
)
ROWS: Final = {"echo": 2, "handover": 1, "broadcast": 1, "room": 1, "single": 1, "idle": 4}


def test_each_question_is_tried() -> None:
    assert ROWS.keys() == QUESTIONS.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_question_has_a_row_with_a_figure_for_each_aim(name: str) -> None:
    rows = list(QUESTIONS[name](TINY))
    assert len(rows) == ROWS[name]
    for row in rows:
        assert re.search(r"\d", row.figure)
        assert (row.holds is None) == (row.aim == "")


def test_processor_time_of_a_process_is_that_of_its_own_clock() -> None:
    before = os.times()
    used = processor_time(os.getpid())
    after = os.times()
    tick = 1 / os.sysconf("SC_CLK_TCK")
    assert before.user + before.system - 2 * tick <= used <= after.user + after.system + 2 * tick


def test_all_processes_of_a_server_are_known_and_end_with_it() -> None:
    with program(2) as served:
        assert len(set(served.pids)) == 3
        assert served.cpu() > 0
    for pid in served.pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
