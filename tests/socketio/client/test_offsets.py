"""What is an offset, and what an argument."""

from __future__ import annotations

import pytest

from sockwave.socketio.client.offsets import CLOCK_DIFFERENCE, Offsets

EPOCH = "abcdefghijk_."
OWN = EPOCH + "A" * 20
NODE = "B" * 20
NOW = 1_790_000_000.0


def offsets(pid: str) -> Offsets:
    offsets = Offsets(clock=lambda: NOW)
    assert not offsets.accepted(pid)
    return offsets


def timestamp(seconds: float) -> str:
    """As the reference's in-memory adapter makes one."""
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
    number, text = int(seconds * 1000), ""
    while number:
        number, digit = divmod(number, 64)
        text = digits[digit] + text
    return text


def test_offset_of_our_server_is_known_by_the_epoch_of_its_secret() -> None:
    known = offsets(OWN)
    assert known.without(["event", 1, EPOCH + "0"]) == ["event", 1]
    assert known.without(["event", EPOCH + "ff"]) == ["event"]
    assert known.last == EPOCH + "ff"


@pytest.mark.parametrize(
    "text",
    ["", "text", EPOCH, EPOCH + "xyz", EPOCH + "5", EPOCH + "4", timestamp(NOW), "z" + EPOCH + "6"],
)
def test_other_text_of_our_server_is_an_argument(text: str) -> None:
    known = offsets(OWN)
    known.without(["event", EPOCH + "5"])
    assert known.without(["event", text]) == ["event", text]
    assert known.last == EPOCH + "5"


@pytest.mark.parametrize(
    "offset",
    [
        timestamp(NOW),
        timestamp(NOW - CLOCK_DIFFERENCE / 2),
        timestamp(NOW) + ".1z",
        "1691666677573-0",
        "64c0ffee64c0ffee64c0ffee",
    ],
    ids=["reference", "late clock", "reference, same moment", "Redis streams", "MongoDB"],
)
def test_offset_of_another_server_is_known_by_its_shape(offset: str) -> None:
    known = offsets(NODE)
    assert known.without(["event", "text", offset]) == ["event", "text"]
    assert known.last == offset
    assert known.without(["event", "volatile"]) == ["event", "volatile"]
    assert known.last == offset


@pytest.mark.parametrize("text", ["message", "Peter Z", "hello", "2026-08-01", "", "Zürich."])
def test_words_of_another_server_are_arguments(text: str) -> None:
    assert offsets(NODE).without(["event", text]) == ["event", text]


def test_offset_of_a_server_that_nobody_knows_is_given_back_to_it() -> None:
    known = offsets(NODE)
    assert known.without(["event", "0x17"]) == ["event", "0x17"]
    assert known.last == "0x17"


@pytest.mark.parametrize("args", [["event"], ["event", 1], ["event", None], [EPOCH + "1"]])
def test_event_that_does_not_end_in_text_has_no_offset(args: list[object]) -> None:
    known = offsets(OWN)
    assert known.without(args) is args
    assert known.last is None


def test_offsets_go_on_after_a_recovery_and_begin_anew_with_a_new_secret() -> None:
    known = offsets(OWN)
    known.without(["event", EPOCH + "5"])
    assert known.accepted(OWN)
    assert known.last == EPOCH + "5"
    assert known.without(["event", EPOCH + "5"]) == ["event", EPOCH + "5"]
    assert not known.accepted(EPOCH + "C" * 20)
    assert known.without(["event", 1]) == ["event", 1]
    assert known.without(["event", EPOCH + "5"]) == ["event"]


def test_old_offset_is_not_told_with_a_new_secret() -> None:
    known = offsets(OWN)
    known.without(["event", EPOCH + "5"])
    known.accepted(NODE)
    assert known.last is None
