"""Pages as Sphinx gets them: those of `docs/`, what they link to beside it, and the reference.

The pages stay as a code host shows them; here links are made to fit the site. What is not below
`docs/` gets a page of its own: text as it is, programs and configurations with their code. A file
is written only when it changes, so that Sphinx builds again only what has to be.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import unquote

from pygments.lexers import get_lexer_for_filename
from pygments.util import ClassNotFound

from scripts.check_docs import FENCE, HAS_SCHEME
from scripts.site.menu import groups
from scripts.site.reference import index_table, reference_pages

__all__ = ["ROOT", "stage"]

ROOT: Final = Path(__file__).resolve().parent.parent.parent
DOCS: Final = PurePosixPath("docs")
SKIPPED: Final = re.compile(
    rf"{FENCE.pattern}|(?P<ticks>`+).+?(?P=ticks)", re.MULTILINE | re.DOTALL
)
"""Code, where brackets are no links."""

TARGET: Final = re.compile(r"(\]\(\s*<?)([^)\s>]+)(>?)")
ORPHAN: Final = "---\norphan: true\n---\n\n"
"""Says that a page is in no menu."""

REFERENCE: Final = "<!-- reference: "
"""In the first page of the reference: what is above it stays."""

SHOWN: Final = 100_000
"""Bytes of a file that is shown: a larger one is not for reading."""


class Stage:
    """The pages that were made so far, by their path in the site."""

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        self._docs = root / DOCS
        self.pages: dict[PurePosixPath, str] = {}

    def add_docs(self) -> None:
        """All pages of `docs/`, and what they lead to."""
        for path in sorted(self._docs.rglob("*.md")):
            self._add(PurePosixPath(path.relative_to(self._root)))

    def add_reference(self) -> None:
        """The pages of the API."""
        for name, text in reference_pages().items():
            self.pages[PurePosixPath("reference", f"{name}.md")] = text
        first = PurePosixPath("reference.md")
        self.pages[first] = self.pages[first].partition(REFERENCE)[0] + index_table()

    def add_menu(self) -> None:
        """What the first page lists, as the menu of all of them."""
        parts = [self.pages[PurePosixPath("index.md")]]
        for group in groups((self._docs / "index.md").read_text()):
            lines = ["```{toctree}", ":hidden:", f":caption: {group.title}", ""]
            for text, target in group.pages:
                place = self._place(_normal(DOCS / target))
                lines.append(f"{text} <{place.with_suffix('')}>")
            parts.append("\n".join([*lines, "```"]))
        self.pages[PurePosixPath("index.md")] = "\n\n".join(parts) + "\n"

    def _add(self, source: PurePosixPath) -> None:
        """Add a file of the repository, and all that it leads to."""
        place = self._place(source)
        if place in self.pages:
            return
        self.pages[place] = ""  # found again on the way: two pages may lead to each other
        path = self._root / source
        if path.is_dir():
            text = self._folder_page(source)
        elif source.suffix == ".md":
            text = path.read_text()
            if place.parts[0] == "files":
                text = ORPHAN + text
        else:
            text = _code_page(source, path)
        self.pages[place] = self._with_links(text, source, place)
        if source.suffix == ".md" and source.name == "README.md" and source.is_relative_to(DOCS):
            self.pages[place] += self._children(source)

    def _children(self, source: PurePosixPath) -> str:
        """The menu below the first page of a folder."""
        others = sorted((self._root / source.parent).glob("*.md"))
        names = [path.stem for path in others if path.name != "README.md"]
        return "\n".join(["", "```{toctree}", ":hidden:", "", *names, "```", ""])

    def _folder_page(self, source: PurePosixPath) -> str:
        files = sorted(path for path in (self._root / source).iterdir() if path.is_file())
        rows = [f"- [`{path.name}`]({path.name})" for path in files if path.suffix != ".pyc"]
        return "\n".join([f"{ORPHAN}# `{source}`", "", *rows, ""])

    def _with_links(self, text: str, source: PurePosixPath, place: PurePosixPath) -> str:
        """Let links lead to the places that their targets have in the site."""

        def replace(match: re.Match[str]) -> str:
            target = self._target(unquote(match[2]), source, place)
            return f"{match[1]}{target}{match[3]}"

        if source.suffix != ".md" and not (self._root / source).is_dir():
            return text
        parts: list[str] = []
        at = 0
        for skipped in SKIPPED.finditer(text):
            # A link may have code as its text, so only what is between stays as it is.
            parts += [TARGET.sub(replace, text[at : skipped.start()]), skipped[0]]
            at = skipped.end()
        return "".join([*parts, TARGET.sub(replace, text[at:])])

    def _target(self, target: str, source: PurePosixPath, place: PurePosixPath) -> str:
        if HAS_SCHEME.match(target) or target.startswith("#"):
            return target
        name, mark, anchor = target.partition("#")
        base = source if (self._root / source).is_dir() else source.parent
        wanted = _normal(base / name)
        if wanted.is_relative_to(DOCS / "images"):
            return _relative(self._place(wanted), place.parent)
        if not wanted.is_relative_to(DOCS) or wanted.suffix == ".json":
            self._add(wanted)
        return f"{_relative(self._place(wanted), place.parent)}{mark}{anchor}"

    def _place(self, source: PurePosixPath) -> PurePosixPath:
        """Where a file of the repository stands in the site."""
        if source == PurePosixPath("README.md"):
            return PurePosixPath("index.md")
        if source.is_relative_to(DOCS) and source.suffix != ".json":
            place = source.relative_to(DOCS)
            if (self._root / source).is_dir():
                place = place / "README.md"
            return place.with_name("index.md") if place.name == "README.md" else place
        if source.suffix == ".md" and len(source.parts) == 1:
            name = source.name.lower()
            if not (self._docs / name).exists():  # as `security.md`, which is another page
                return PurePosixPath(name)
        if (self._root / source).is_dir():
            return PurePosixPath("files", source, "index.md")
        if source.suffix == ".md":
            return PurePosixPath("files", source)
        return PurePosixPath("files", f"{source}.md")


def _code_page(source: PurePosixPath, path: Path) -> str:
    """A page that shows a file."""
    head = f"{ORPHAN}# `{source}`\n\n"
    data = path.read_bytes()[: SHOWN + 1]
    if b"\0" in data or len(data) > SHOWN:
        return f"{head}A file of {path.stat().st_size:,} bytes.\n"
    try:
        language = get_lexer_for_filename(path.name).aliases[0]
    except (ClassNotFound, IndexError):
        language = "nginx" if path.suffix == ".conf" else "text"
    text = data.decode()
    fence = "`" * 8
    return f"{head}{fence}{language}\n{text.rstrip()}\n{fence}\n"


def _normal(path: PurePosixPath) -> PurePosixPath:
    """A path without `..`."""
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return PurePosixPath(*parts)


def _relative(place: PurePosixPath, folder: PurePosixPath) -> str:
    common = 0
    while common < len(folder.parts) and folder.parts[common] == place.parts[common]:
        common += 1
    return "/".join([*([".."] * (len(folder.parts) - common)), *place.parts[common:]])


def stage(target: Path, root: Path = ROOT) -> list[PurePosixPath]:
    """Write all pages and pictures, and take away what is not among them any more.

    Returns:
        The pages.
    """
    pages = Stage(root)
    pages.add_docs()
    pages.add_reference()
    pages.add_menu()
    files = {target / place: text.encode() for place, text in pages.pages.items()}
    for picture in sorted((root / DOCS / "images").iterdir()):
        files[target / "images" / picture.name] = picture.read_bytes()
    for path, data in files.items():
        if not path.is_file() or path.read_bytes() != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    if target.is_dir():
        for path in [each for each in target.rglob("*") if each.is_file() and each not in files]:
            path.unlink()
        for folder in sorted(target.rglob("*"), reverse=True):
            if folder.is_dir() and not any(folder.iterdir()):
                shutil.rmtree(folder)
    return sorted(pages.pages)
