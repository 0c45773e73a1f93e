"""Random bytes read ahead are given once, whoever asks."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from sockwave.codec.random_pool import RandomPool


def test_no_piece_is_given_twice() -> None:
    pool = RandomPool(15)
    pieces = [pool.next() for _ in range(1_000)]
    assert len(set(pieces)) == 1_000
    assert set(map(len, pieces)) == {15}


def test_threads_share_a_pool_and_no_piece() -> None:
    pool = RandomPool(8)

    def take() -> list[bytes]:
        return [pool.next() for _ in range(5_000)]

    with ThreadPoolExecutor(4) as threads:
        results = [threads.submit(take) for _ in range(4)]
        pieces = [piece for result in results for piece in result.result()]
    assert len(set(pieces)) == 20_000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_child_process_gets_none_of_its_parents() -> None:
    pool = RandomPool(16)
    pool.next()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, b"".join(pool.next() for _ in range(50)))
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        theirs = pipe.read()
    ours = b"".join(pool.next() for _ in range(50))
    assert len(theirs) == len(ours) == 800
    assert not {theirs[at : at + 16] for at in range(0, 800, 16)} & {
        ours[at : at + 16] for at in range(0, 800, 16)
    }
