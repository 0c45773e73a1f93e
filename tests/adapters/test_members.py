"""Who is there, and which of their messages were here already."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sockwave.adapters.members import MAX_DEPARTED, WINDOW, Members, SeenNumbers


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
    assert members.add("A", 0.0).numbers.is_new(7)
    assert members.remove("A", for_good=False) is not None
    assert "A" not in members
    assert members.closed_at("A") is None
    assert not members.add("A", 5.0).numbers.is_new(7)


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


def test_numbers_that_were_not_its_own_are_forgotten_at_its_next_heartbeat() -> None:
    member = Members(10).add("A", 0.0)
    assert not member.has_had(5, is_beat=False)
    assert not member.has_had(10**9, is_beat=False)
    assert member.has_had(6, is_beat=False)
    assert not member.has_had(7, is_beat=True)
    assert not member.has_had(8, is_beat=False)
    assert member.has_had(8, is_beat=False)
    assert member.has_had(8, is_beat=True)


def test_sequence_that_was_not_its_own_hides_no_loss_for_ever() -> None:
    member = Members(10).add("A", 0.0)
    assert member.missed(5) == 0
    assert member.missed(10**9) == 10**9 - 6
    assert member.missed(6) == 0
    assert member.missed(9) == 2
    assert member.missed(8) == 0
