"""Connection ids that say which process has the connection, to processes that have the key."""

from __future__ import annotations

import random
from typing import Final

import pytest

from sockwave.engine.server.fronts.quic.ids import (
    KEY,
    LENGTH,
    ConnectionIds,
    stateless_reset,
)

SHARED: Final = bytes(range(KEY))


@pytest.mark.parametrize("number", [0, 1, 4_095, 65_535])
def test_any_process_of_a_port_reads_the_number(number: int) -> None:
    ids = ConnectionIds(number, SHARED)
    other = ConnectionIds(7, SHARED)
    for _ in range(100):
        id_ = ids.new()
        assert len(id_) == LENGTH
        assert other.number_in(id_) == ids.number_in(id_) == number
        assert other.token(id_) == ids.token(id_)


def test_ids_and_tokens_of_a_connection_have_nothing_in_common() -> None:
    ids = ConnectionIds(3, SHARED)
    made = [ids.new() for _ in range(2_000)]
    assert len(set(made)) == len({ids.token(id_) for id_ in made}) == len(made)
    for at in range(LENGTH):
        assert len({id_[at] for id_ in made}) > 240  # of 256


def test_ids_of_others_are_none_of_ours() -> None:
    ids, rng = ConnectionIds(3, SHARED), random.Random(1)
    found = sum(ids.number_in(rng.randbytes(LENGTH)) is not None for _ in range(50_000))
    assert found <= 6
    for length in (0, 8, LENGTH - 1, LENGTH + 1, 20):
        assert ids.number_in(bytes(length)) is None
        assert ids.number_in(rng.randbytes(length)) is None


def test_without_the_key_nothing_is_to_be_read() -> None:
    ids, other = ConnectionIds(3), ConnectionIds(3)
    read = [other.number_in(ids.new()) for _ in range(2_000)]
    assert sum(number is not None for number in read) <= 3
    id_ = ids.new()
    assert ids.token(id_) != other.token(id_)


def test_reset_looks_like_a_packet_and_is_smaller_than_its_cause() -> None:
    token = bytes(range(16))
    for size in (22, 30, 43, 44, 1_200):
        reset = stateless_reset(token, size)
        assert reset is not None
        assert 21 <= len(reset) < size
        assert len(reset) <= 43
        assert reset[0] & 0xC0 == 0x40
        assert reset.endswith(token)
    assert stateless_reset(token, 21) is None
    assert stateless_reset(token, 0) is None
