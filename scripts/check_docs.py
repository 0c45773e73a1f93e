"""Check the documentation: relative links lead somewhere, and Python code blocks compile.

Covers every tracked Markdown file. A block marked `python` must compile on its own; `await` and
`async with` may stand at its top level. Use another mark, such as `text`, for what is not Python.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent

FENCE = re.compile(r"^ *```(?P<mark>[^\n`]*)\n(?P<code>.*?)^ *```$", re.MULTILINE | re.DOTALL)
CODE_SPAN = re.compile(r"(`+).+?\1", re.DOTALL)
LINK = re.compile(r"\[[^\]\[]*(?:\[[^\]]*\][^\]\[]*)?\]\(\s*<?([^)\s>]+)")
HTML_LINK = re.compile(r"""<(?:img|a|source)\b[^>]*?\b(?:src|srcset|href)\s*=\s*["']([^"']+)["']""")
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
HAS_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def main() -> int:
    """Print each problem with its place."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.md"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
    )
    pages = [ROOT / name for name in listing.stdout.decode().split("\0") if name]
    problems = [
        f"{page.relative_to(ROOT)}:{line}: {problem}"
        for page in pages
        if page.is_file()
        for line, problem in sorted([*broken_links(page), *broken_code(page.read_text())])
    ]
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print(f"{len(pages)} pages: links and code blocks are fine")
    return 1 if problems else 0


def broken_links(page: Path) -> Iterator[tuple[int, str]]:
    """Relative links of a page whose file or heading does not exist."""
    text = CODE_SPAN.sub(_blank, FENCE.sub(_blank, page.read_text()))
    for match in [*LINK.finditer(text), *HTML_LINK.finditer(text)]:
        target = match[1]
        if HAS_SCHEME.match(target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        line = text.count("\n", 0, match.start()) + 1
        if not file.exists() or not file.is_relative_to(ROOT):
            yield line, f"{target} leads nowhere"
        elif anchor and file.suffix == ".md" and anchor not in anchors(file.read_text()):
            yield line, f"{target}: no such heading"


def anchors(text: str) -> set[str]:
    """Names that GitHub gives to the headings of a page."""
    titles = HEADING.findall(FENCE.sub(_blank, text))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_code(text: str) -> Iterator[tuple[int, str]]:
    """Code blocks marked `python` that do not compile."""
    for match in FENCE.finditer(text):
        if match["mark"].split()[:1] not in (["python"], ["py"]):
            continue
        first_line = text.count("\n", 0, match.start()) + 2
        try:
            with warnings.catch_warnings(action="error"):
                compile(
                    textwrap.dedent(match["code"]),
                    "block",
                    "exec",
                    flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
                    dont_inherit=True,
                )
        except (SyntaxError, SyntaxWarning) as error:
            line = error.lineno if isinstance(error, SyntaxError) and error.lineno else 1
            yield first_line + line - 1, f"code does not compile: {error}"


def _blank(match: re.Match[str]) -> str:
    """As many line breaks, so that line numbers stay right."""
    return "\n" * match[0].count("\n")


if __name__ == "__main__":
    sys.exit(main())
