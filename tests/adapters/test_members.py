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
    assert not members.has_closed("A")
    assert not members.add("A", 5.0).numbers.is_new(7)


def test_member_that_has_said_goodbye_is_known_to_be_gone() -> None:
    members = Members(10)
    members.add("A", 0.0)
    members.remove("A", for_good=True)
    assert members.remove("B", for_good=True) is None
    assert members.has_closed("A")
    assert members.has_closed("B")


def test_memory_of_those_who_were_there_is_bounded() -> None:
    members = Members(10)
    for number in range(MAX_DEPARTED + 5):
        members.remove(str(number), for_good=True)
    assert not members.has_closed("4")
    assert members.has_closed("5")


def test_silence_is_counted_from_the_last_message() -> None:
    members = Members(10)
    members.add("A", 0.0).seen = 8.0
    members.add("B", 3.0)
    assert [member.id for member in members.silent_since(5.0)] == ["B"]
