"""Who is there, and which of their messages were here already."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockwave.adapters.members import MAX_DEPARTED, WINDOW, HeardNumbers, Members, SeenNumbers


def test_each_number_is_new_once_in_any_order() -> None:
    seen = SeenNumbers()
    assert [seen.is_new(number) for number in (5, 3, 4, 5, 3, 6, 1)] == [
        True, True, True, False, False, True, True,
    ]  # fmt: skip


def test_number_from_beyond_the_window_is_old() -> None:
    seen = SeenNumbers()
    assert seen.is_new(WINDOW)
    assert seen.is_new(1)
    assert not seen.is_new(0)
    assert seen.is_new(2**60)
    assert not seen.is_new(WINDOW)


@given(st.lists(st.integers(0, WINDOW - 1), max_size=60))
def test_within_the_window_it_is_a_set(numbers: list[int]) -> None:
    seen, model = SeenNumbers(), set[int]()
    for number in numbers:
        assert seen.is_new(number) is (number not in model)
        model.add(number)


def test_member_that_comes_back_is_remembered() -> None:
    members = Members(10)
    heard = {"is_beat": False, "is_entry": False}
    assert not members.add("A", 0.0).numbers.has_had(7, **heard)
    assert members.remove("A", for_good=False) is not None
    assert "A" not in members
    assert members.closed_at("A") is None
    assert members.add("A", 5.0).numbers.has_had(7, **heard)


def test_member_that_has_said_goodbye_is_known_to_be_gone() -> None:
    members = Members(10)
    members.add("A", 0.0)
    members.remove("A", for_good=True, now=3)
    assert members.remove("B", for_good=True, now=4.5) is None
    assert members.closed_at("A") == 3
    assert members.closed_at("B") == 4.5


def test_memory_of_those_who_were_there_is_bounded() -> None:
    members = Members(10)
    for number in range(MAX_DEPARTED + 5):
        members.remove(str(number), for_good=True)
    assert members.closed_at("4") is None
    assert members.closed_at("5") == 0


def test_silence_is_counted_from_the_last_message() -> None:
    members = Members(10)
    members.add("A", 0.0).seen = 8.0
    members.add("B", 3.0)
    assert [member.id for member in members.silent_since(5.0)] == ["B"]


@pytest.mark.parametrize("is_entry", [False, True])
def test_numbers_that_were_not_its_own_are_forgotten_at_its_next_heartbeat(is_entry: bool) -> None:
    numbers = HeardNumbers()

    def has_had(number: int, *, is_beat: bool = False) -> bool:
        return numbers.has_had(number, is_beat=is_beat, is_entry=is_entry and not is_beat)

    assert not has_had(5)
    assert not has_had(10**9)
    assert has_had(6)
    assert not has_had(7, is_beat=True)
    assert not has_had(8)
    assert has_had(8)
    assert not has_had(9, is_beat=True)
    assert has_had(9, is_beat=True)


def test_what_is_in_a_stream_may_be_overtaken_by_any_number_of_messages() -> None:
    numbers = HeardNumbers()
    assert not numbers.has_had(10_000, is_beat=True, is_entry=False)
    assert [
        numbers.has_had(number, is_beat=False, is_entry=True) for number in (*range(5_000), 7)
    ] == [*[False] * 5_000, True]
    assert not numbers.has_had(10_001, is_beat=True, is_entry=False)
    assert numbers.has_had(4_999, is_beat=False, is_entry=True)


def test_sequence_that_was_not_its_own_hides_no_loss_for_ever() -> None:
    member = Members(10).add("A", 0.0)
    assert member.missed(5) == 0
    assert member.missed(10**9) == 10**9 - 6
    assert member.missed(6) == 0
    assert member.missed(9) == 2
    assert member.missed(8) == 0
