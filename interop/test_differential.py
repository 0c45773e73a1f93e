"""The JavaScript parsers and ours decode the same, but for the differences listed in the table."""

from __future__ import annotations

import base64
import random

import pytest

from interop.differential import DIFFERENCES, PARSERS, Difference, compare, inputs_of, kind_of
from tests.support import peers

pytestmark = pytest.mark.interop

INPUTS = 10_000
"""For each parser; `python -m interop.differential` tries a million."""


@pytest.mark.parametrize("parser", PARSERS)
def test_both_decode_the_same_but_for_what_is_listed(parser: str) -> None:
    cases = compare(peers.node(), parser, inputs_of(parser, INPUTS, seed=1))
    assert len(cases) == INPUTS
    assert [case for case in cases if not case.is_same and kind_of(case) is None] == []
    # Enough of them have a value, and enough of those are not the valid ones, for this to say much.
    values = {case.text for case in cases if case.theirs not in ("refused", [["error", ""]])}
    assert INPUTS / 20 < len(values) < INPUTS


def test_base64_is_what_node_makes_of_any_text() -> None:
    rng = random.Random(8)
    alphabet = "AQIDbc019+/-_" * 8 + "==\n\r\t *!~\x00\x7f\u00e9\u0141\u0100\u2028\u4e3d\U0001f600"
    texts = ["b" + "".join(rng.choices(alphabet, k=rng.randrange(24))) for _ in range(INPUTS)]
    lines = ["b" + base64.encodebytes(rng.randbytes(size)).decode() for size in range(200)]
    cases = compare(peers.node(), "engine.io", texts + lines)
    assert [case for case in cases if not case.is_same] == []
    assert len({str(case.ours) for case in cases}) > INPUTS / 2


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.name)
def test_difference_is_there_and_is_recognized(difference: Difference) -> None:
    for case in compare(peers.node(), difference.parser, difference.example):
        assert not case.is_same, case
        assert kind_of(case) == difference.name, case


@pytest.mark.parametrize(
    "text",
    [
        '42["a","\\ud83d","\\ud83d\\ude00",{"\\udead":1}]',
        '42["a",18446744073709551616,9007199254740993,-0,1e-400]',
        '42["a",{"a":1,"a":2},{"__proto__":{"b":1}}]',
        '452-/a,7["a",{"_placeholder":true,"num":1},[{"_placeholder":true,"num":0}]]',
        '451-["a",{"_placeholder":false,"num":0},{"_placeholder":true,"num":0,"x":1}]',
        '44/a,"text"',
        '40/a,{"b":[]}',
    ],
)
def test_both_accept_with_the_same_value(text: str) -> None:
    [case] = compare(peers.node(), "socket.io", [text])
    assert case.ours != "refused"
    assert case.is_same, case


@pytest.mark.parametrize(
    "text",
    [
        *(
            "42[NaN]",
            '42["connect"]',
            '42["a",01]',
            '42["a"',
            "42{}",
            "42[null]",
            "42[true]",
            "42[]",
        ),
        *("41{}", "40[]", "43{}", "44[]", "44null", "47", "4a", '42["\n"]'),
        *('450-["a"]', '4511-["a"]', '45-["a"]', '45["a"]', '451["a"]'),
        '451-["a",{"_placeholder":true,"num":1}]',
        '451-["a",{"_placeholder":true,"num":"0"}]',
        '451-["a",{"_placeholder":true,"num":-1}]',
    ],
)
def test_both_refuse(text: str) -> None:
    [case] = compare(peers.node(), "socket.io", [text])
    assert case.ours == case.theirs == "refused", case
