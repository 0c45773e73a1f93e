"""Which blocks of code of the pages were run, by whom, and which by nobody.

A stage of the path takes the blocks that it runs. What is left must be named in `elsewhere.py`,
with the test that runs it, or with the words in which the page itself says that nobody does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from scripts.check_docs import FENCE
from scripts.stranger.elsewhere import ByTest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from scripts.stranger.elsewhere import Elsewhere

__all__ = ["Block", "Page", "faults", "read"]

ROOT: Final = Path(__file__).resolve().parent.parent.parent
HEADING: Final = re.compile(r"^#+ +(.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """Code of a page.

    Attributes:
        title: The heading above it.
        line: Of its fence.
        mark: What stands behind the fence.
    """

    title: str
    line: int
    mark: str
    code: str


@dataclass(slots=True)
class Page:
    """A page, and what was run of it.

    Attributes:
        name: Of the file, from the root of the repository.
        blocks: Its code, in order.
    """

    name: str
    text: str
    blocks: list[Block] = field(init=False)
    _taken: set[Block] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self.blocks = []
        for found in FENCE.finditer(self.text):
            # A comment of a shell looks like a heading.
            *_, title = HEADING.findall(FENCE.sub("", self.text[: found.start()]))
            line = self.text.count("\n", 0, found.start()) + 1
            self.blocks.append(Block(title, line, found["mark"], found["code"]))

    def take(self, mark: str, title: str) -> tuple[Block, ...]:
        """Blocks with this mark below this heading, all of which the caller is going to run.

        Raises:
            LookupError: There are none.
        """
        found = tuple(each for each in self.blocks if (each.mark, each.title) == (mark, title))
        if not found:
            raise LookupError(f"{self.name} has no {mark!r} below {title!r}")
        self._taken.update(found)
        return found

    def left(self) -> list[Block]:
        """Those that nobody has taken."""
        return [each for each in self.blocks if each not in self._taken]

    def prose(self, title: str) -> str:
        """What stands below a heading, up to the next one, without code."""
        _, *parts = HEADING.split(FENCE.sub("", self.text))
        sections = zip(parts[::2], parts[1::2], strict=True)
        return "".join(text for name, text in sections if name == title)


def read(names: Sequence[str]) -> dict[str, Page]:
    """The pages, by their names."""
    return {name: Page(name, (ROOT / name).read_text()) for name in names}


def faults(
    pages: Mapping[str, Page],
    elsewhere: Mapping[str, Sequence[Elsewhere]],
    root: Path = ROOT,
) -> Iterator[str]:
    """Say which blocks nobody runs, and what is said of others and is not so.

    Args:
        pages: After the whole path was walked.
        elsewhere: What is run by others, by page.
        root: Of the repository, where the tests are.
    """
    for name, page in pages.items():
        left = page.left()
        for told in elsewhere.get(name, ()):
            theirs = [each for each in left if (each.mark, each.title) == (told.mark, told.title)]
            left = [each for each in left if each not in theirs]
            where = f"{name}: {told.mark!r} below {told.title!r}"
            if len(theirs) != told.count:
                yield f"{where}: {len(theirs)} blocks are left to others, {told.count} have a name"
            elif isinstance(told, ByTest):
                for test in told.tests:
                    yield from (f"{where}: {fault}" for fault in _faults_of_test(test, name, root))
            elif told.words not in page.prose(told.title):
                yield f"{where}: the page does not say there {told.words!r}"
        for block in left:
            yield f"{name}:{block.line}: nobody runs this block, {block.mark!r}"
    for name in elsewhere.keys() - pages.keys():
        yield f"{name}: no page of the path"


def _faults_of_test(test: str, page: str, root: Path) -> Iterator[str]:
    """Why a test does not run a block of a page, as far as it can be seen from outside."""
    file, _, function = test.partition("::")
    text = (root / file).read_text() if (root / file).is_file() else ""
    if not re.search(rf"^(?:async )?def {re.escape(function)}\(", text, re.MULTILINE):
        yield f"there is no {test}"
    elif Path(page).name not in text:
        yield f"{file} has nothing of {page}"
