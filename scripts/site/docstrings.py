"""Docstrings of this project, taken apart: the text, and the sections below it.

The text is Markdown, with code that is indented as a block of its own.
"""

from __future__ import annotations

import ast
import re
import textwrap
from dataclasses import dataclass, field
from typing import Final

__all__ = ["Docstring", "Entry", "parse"]

SECTION: Final = re.compile(r"(?P<title>Args|Attributes|Returns|Raises):")
ENTRY: Final = re.compile(r"(?P<names>\*{0,2}[\w.]+(?:, \*{0,2}[\w.]+)*): ?(?P<text>.*)")


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a section: one name or several, and what is said of them."""

    names: tuple[str, ...]
    text: str


@dataclass(slots=True)
class Docstring:
    """A docstring in its parts.

    Attributes:
        text: Markdown; the first paragraph says what it does.
        returns: Markdown, of the section of that name.
    """

    text: str = ""
    args: list[Entry] = field(default_factory=list)
    attributes: list[Entry] = field(default_factory=list)
    raises: list[Entry] = field(default_factory=list)
    returns: str = ""

    @property
    def summary(self) -> str:
        """The first sentence or two, in one line."""
        return " ".join(self.text.split("\n\n")[0].split())


def parse(text: str) -> Docstring:
    """Take a docstring apart; its lines begin at the margin, as `inspect.getdoc` gives them."""
    doc = Docstring()
    kept: list[str] = []
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        match = SECTION.fullmatch(lines[at])
        if match is None:
            kept.append(lines[at])
            at += 1
            continue
        end = at + 1
        while end < len(lines) and (not lines[end] or lines[end].startswith(" ")):
            end += 1
        body = textwrap.dedent("\n".join(lines[at + 1 : end])).strip()
        if match["title"] == "Returns":
            doc.returns = body
        else:
            getattr(doc, match["title"].lower()).extend(_entries(body))
        at = end
    doc.text = with_fences("\n".join(kept).strip())
    return doc


def _entries(body: str) -> list[Entry]:
    found: list[Entry] = []
    for line in body.splitlines():
        match = None if line.startswith(" ") else ENTRY.fullmatch(line)
        if match is not None:
            found.append(Entry(tuple(match["names"].split(", ")), match["text"]))
        elif found:
            last = found[-1]
            found[-1] = Entry(last.names, f"{last.text}\n{line.strip()}")
    return found


def with_fences(text: str) -> str:
    """Give each indented block a fence, so that it is shown as what it is."""
    blocks: list[str] = []
    for part in re.split(r"\n\n+", text):
        if not part.startswith("    "):
            blocks.append(part)
        elif blocks and blocks[-1].endswith("\n```"):  # a blank line within the code
            code = textwrap.dedent(part)
            blocks[-1] = f"{blocks[-1][:-4]}\n\n{code}\n```"
        else:
            code = textwrap.dedent(part)
            blocks.append(f"```{_language(code)}\n{code}\n```")
    return "\n\n".join(blocks)


def _language(code: str) -> str:
    try:
        compile(code, "block", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError:
        return "text"
    return "python"
