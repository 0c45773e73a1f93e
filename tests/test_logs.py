"""Records as lines of JSON."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from sockwave.logs import JsonFormatter


def record(message: str = "told", *args: object, **extra: Any) -> logging.LogRecord:
    return logging.getLogger("sockwave.test").makeRecord(
        "sockwave.test", logging.WARNING, __file__, 1, message, args, None, extra=extra
    )


def line_of(made: logging.LogRecord, **fields: object) -> dict[str, Any]:
    text = JsonFormatter(fields).format(made)
    assert text.isascii() and text.isprintable(), "one line, and nothing that a terminal obeys"
    line: dict[str, Any] = json.loads(text)
    return line


def failed(error: BaseException) -> logging.LogRecord:
    made = record()
    try:
        raise error
    except BaseException:
        made.exc_info = sys.exc_info()
    return made


def test_line_has_time_level_logger_and_message() -> None:
    made = record("%d of %s", 3, "four")
    made.created = datetime(2026, 7, 1, 12, 30, 5, 250_000, UTC).timestamp()
    assert line_of(made) == {
        "time": "2026-07-01T12:30:05.250Z",
        "level": "warning",
        "logger": "sockwave.test",
        "message": "3 of four",
    }


def test_extra_is_beside_them() -> None:
    line = line_of(record(sid="abcd...", orders=[1, {"two": None}]))
    assert line["sid"] == "abcd..." and line["orders"] == [1, {"two": None}]


def test_extra_takes_the_place_of_nothing() -> None:
    line = line_of(record(level="none", time="never", service="theirs"), service="ours")
    assert line["level"] == "warning" and line["time"] != "never" and line["service"] == "ours"


def test_text_of_a_peer_stays_in_its_line_and_reaches_no_terminal() -> None:
    text = 'a\nb\r\x1b[2J\x9b\u202e\u2028\ud800"}'
    line = line_of(record("%s", text, event=text))
    assert line["message"] == line["event"] == text


def test_exception_is_a_field_with_its_traceback() -> None:
    exception = line_of(failed(ValueError("wrong\nagain")))["exception"]
    assert exception.startswith("Traceback (most recent call last):\n")
    assert exception.endswith("ValueError: wrong\nagain")
    assert "raise error\n" in exception


def test_traceback_that_another_formatter_made_is_kept() -> None:
    made = failed(ValueError("wrong"))
    logging.Formatter().format(made)
    made.exc_info = None
    assert "ValueError: wrong" in line_of(made)["exception"]


def test_stack_is_a_field() -> None:
    made = record()
    made.stack_info = "Stack (most recent call last):\n  here"
    assert line_of(made)["stack"].endswith("here")


def test_long_texts_are_cut_where_they_say_least() -> None:
    assert line_of(record("x" * 100_000))["message"] == "x" * 16_384 + "..."
    exception = line_of(failed(ValueError("y" * 100_000 + " the end")))["exception"]
    assert len(exception) < 20_000 and exception.startswith("...") and exception.endswith("end")


class Silent:
    """Says nothing of itself."""

    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (b"\x00", "b'\\x00'"),
        ({b"a": 1}, "{b'a': 1}"),
        (Silent(), "<Silent>"),
        (0.5, 0.5),
        (True, True),
    ],
)
def test_value_without_a_form_in_json_is_shown(value: object, shown: object) -> None:
    line = line_of(record(value=value, other=1.5))
    assert (line["value"], line["other"]) == (shown, 1.5)


def test_circle_is_shown() -> None:
    circle: list[Any] = []
    circle.append(circle)
    assert line_of(record(value=circle))["value"] == "[[...]]"


def test_arguments_of_a_record_are_not_shown_beside_its_text() -> None:
    text = JsonFormatter().format(record("%.4s...", "a-secret-token"))
    assert "a-se..." in text and "secret" not in text
