"""Docstrings are taken apart as the reference shows them."""

from __future__ import annotations

import textwrap

from scripts.site.docstrings import Entry, parse


def test_sections_are_told_from_the_text() -> None:
    doc = parse(
        textwrap.dedent(
            """\
            Do it.

            More of it.

            Args:
                one, two: Both.
                rest: Goes on
                    in a second line.

            Returns:
                What was done.

            Raises:
                TypeError, ValueError: A wrong one.

            And a last word.
            """
        )
    )
    assert doc.summary == "Do it."
    assert doc.text == "Do it.\n\nMore of it.\n\nAnd a last word."
    assert doc.args == [
        Entry(("one", "two"), "Both."),
        Entry(("rest",), "Goes on\nin a second line."),
    ]
    assert doc.returns == "What was done."
    assert doc.raises == [Entry(("TypeError", "ValueError"), "A wrong one.")]
    assert doc.attributes == []


def test_indented_code_gets_a_fence() -> None:
    doc = parse("Like this.\n\n    io = Server()\n\n    io.run()\n\nSo it goes.")
    assert doc.text == ("Like this.\n\n```python\nio = Server()\n\nio.run()\n```\n\nSo it goes.")


def test_indented_text_that_is_no_code_stays_text() -> None:
    assert "```text\nA\n├── B\n```" in parse("A tree.\n\n    A\n    ├── B").text


def test_arguments_that_are_many_keep_their_stars() -> None:
    doc = parse("Do it.\n\nArgs:\n    *args: All of them.")
    assert doc.args == [Entry(("*args",), "All of them.")]
