"""docs/log-messages.md has all that the log may say, and nothing else; its fields are made safe."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from sockwave.debug import known
from sockwave.logs import FIELDS
from tests.support.log_calls import LogCall, log_calls

PAGE: Final = Path(__file__).parents[1] / "docs" / "log-messages.md"

LEVELS: Final = {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}


@cache
def calls() -> tuple[LogCall, ...]:
    return tuple(log_calls())


def as_row(text: str) -> str:
    """A text as the page has it: one gap for several, and without the colon before details."""
    text = re.sub(r"`[^`]*`", "...", text)
    return re.sub(r"\.{3,}", "...", text).removesuffix(":")


@cache
def rows() -> dict[str, tuple[set[str], list[str]]]:
    """Levels and the other columns, by text."""
    found: dict[str, tuple[set[str], list[str]]] = {}
    for line in PAGE.read_text().splitlines():
        columns = [column.strip() for column in line.strip().strip("|").split(" | ")]
        if len(columns) == 4 and set(columns[0].split(", ")) <= LEVELS:
            for text in re.findall(r"`([^`]*)`", columns[1]):
                assert text not in found, f"two rows for {text!r}"
                found[text] = set(columns[0].split(", ")), columns[2:]
    return found


@pytest.mark.parametrize("call", calls(), ids=lambda call: f"{call.file}:{call.line}")
def test_what_the_log_may_say_is_on_the_page(call: LogCall) -> None:
    assert call.texts, "make its text visible: a literal, or a name that is given one before"
    for text in map(as_row, call.texts):
        assert text in rows(), f"no row for {text!r}"
        levels = rows()[text][0]
        assert not call.level or call.level in levels, f"{text!r} is {call.level}"


def test_page_has_nothing_that_is_not_said() -> None:
    said = {as_row(text) for call in calls() for text in call.texts}
    assert sorted(rows().keys() - said) == []


def test_level_of_each_row_is_one_that_it_has() -> None:
    levels: dict[str, set[str]] = {}
    for call in calls():
        for text in map(as_row, call.texts):
            levels.setdefault(text, set()).add(call.level)
    for text, (told, _) in rows().items():
        if "" not in levels[text]:
            assert told == levels[text], text


def test_every_row_says_what_it_means() -> None:
    assert [text for text, (_, (meaning, _)) in rows().items() if not meaning] == []


def test_every_warning_says_what_to_do_or_that_it_goes_on() -> None:
    silent = Counter(
        text
        for text, (levels, (meaning, todo)) in rows().items()
        if levels & {"ERROR", "CRITICAL"} and not todo
    )
    assert not silent


@pytest.mark.parametrize(
    "call",
    [call for call in calls() if call.extra is not None],
    ids=lambda call: f"{call.file}:{call.line}",
)
def test_fields_of_a_record_are_made_where_ids_are_masked(call: LogCall) -> None:
    extra = ast.unparse(call.extra) if call.extra is not None else ""
    maker = re.match(r"known\(|fields$|_about\(|self\._about(\(|$)", extra)
    assert maker, f"extra={extra}: take sockwave.debug.known"


def test_fields_are_those_that_are_documented() -> None:
    given = known(
        sid="s" * 20,
        socket="o",
        namespace="/",
        event="e",
        address="a",
        reason="r",
        node="n",
        worker=1,
    )
    assert given.keys() == set(FIELDS)
    for field in FIELDS:
        assert f"`{field}`" in PAGE.read_text()


def test_known_fields_are_masked_escaped_and_cut() -> None:
    fields = known(sid="abcdefghij", event="a\nb" + "c" * 500, reason=ValueError("no\x1b"))
    assert fields["sid"] == "abcd..."
    assert str(fields["event"]).startswith("a\\nb") and len(str(fields["event"])) < 140
    assert fields["reason"] == "no\\x1b"
    assert known() == {}
