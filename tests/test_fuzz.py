"""The fuzzer itself: the same seed gives the same inputs, and what costs too much is found."""

from __future__ import annotations

import random

import pytest

from fuzz.cost import CostError, check_memory, check_time, time_limit
from fuzz.mutate import MAX_INPUT, large, mutate
from fuzz.stream import read_script
from fuzz.targets import TARGETS


@pytest.mark.parametrize("name", [name for name, target in TARGETS.items() if target.is_codec])
def test_target_takes_its_valid_inputs(name: str) -> None:
    target = TARGETS[name]
    check = target.make()
    for data in target.corpus:
        check(data)


def test_same_seed_gives_the_same_inputs() -> None:
    corpus = TARGETS["socketio"].corpus
    runs = [[mutate(rng, corpus) for _ in range(200)] for rng in map(random.Random, (1, 1, 2))]
    assert runs[0] == runs[1] != runs[2]
    assert max(map(len, runs[0])) <= MAX_INPUT


def test_input_whose_time_grows_with_the_square_is_found() -> None:
    def quadratic(data: bytes) -> None:
        for _ in data * 10:  # far beyond what a busy machine makes of it
            bytearray(data).reverse()

    data = large(random.Random(1), [b"ab"])[:20_000]
    with pytest.raises(CostError, match="of CPU"):
        check_time(quadratic, data, time_limit(len(data), is_codec=True))
    assert check_time(lambda _: None, data, time_limit(len(data), is_codec=True)) < 1


def test_input_that_takes_too_much_memory_is_found() -> None:
    def greedy(data: bytes) -> None:
        bytearray(len(data) * 1_000)

    with pytest.raises(CostError, match="of memory"):
        check_memory(greedy, bytes(10_000))
    check_memory(lambda _: None, bytes(10_000))


def test_script_is_segments_and_what_happens_between() -> None:
    script = b"\x02abc\x1f\x1fhde\x1f\x1f1\x1f\x1fzf"
    assert list(read_script(script)) == [
        ("t", [b"ab", b"c"]),
        ("h", [b"de"]),
        ("1", []),
        ("t", [b"\x1f\x1f", b"zf"]),
    ]
    assert list(read_script(b"\0abc")) == [("t", [b"abc"])]
    assert list(read_script(b"")) == [("t", [])]
