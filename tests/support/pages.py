"""Pages that make a program step by step: their code, put together as a reader does it."""

from __future__ import annotations

import ast
import re
from typing import Final, NamedTuple

from scripts.check_docs import FENCE
from tests.support.documents import DOCS

__all__ = ["Block", "merged", "sections", "shape"]

GUARD: Final = "if __name__"


class Block(NamedTuple):
    """Code of a page, and what stands behind the fence that opens it."""

    mark: str
    code: str


def sections(page: str) -> list[list[Block]]:
    """Blocks below each heading of the second level; first those above all."""
    parts = re.split(r"^## ", (DOCS / page).read_text(), flags=re.MULTILINE)
    return [[Block(found["mark"], found["code"]) for found in FENCE.finditer(p)] for p in parts]


def merged(program: str, code: str) -> str:
    """A program with a block in it: in place of what has the same names there, else at its end, in
    front of what runs it; imports at the top, in place of those from the same module.
    """
    old, new = _statements(program), _statements(code)
    imports = [text for node, text in new if isinstance(node, (ast.Import, ast.ImportFrom))]
    others = [(node, text) for node, text in new if text not in imports]
    names = {_name(node) for node, _ in new}
    kept: list[str] = []
    place: int | None = None
    for node, text in old:
        if text.startswith(GUARD) and place is None:
            place = len(kept)
        if _name(node) in names:
            if not isinstance(node, (ast.Import, ast.ImportFrom)) and place is None:
                place = len(kept)
        else:
            kept.append(text)
    first = next(
        n for n, (node, _) in enumerate(old) if isinstance(node, (ast.Import, ast.ImportFrom))
    )
    kept[place:place] = [text for _, text in others]
    kept[first:first] = imports
    return "\n\n".join([*kept, ""])


def _statements(code: str) -> list[tuple[ast.stmt, str]]:
    lines = code.splitlines()
    found = []
    for node in ast.parse(code).body:
        decorators = getattr(node, "decorator_list", [])
        start = min([node.lineno, *(each.lineno for each in decorators)])
        found.append((node, "\n".join(lines[start - 1 : node.end_lineno])))
    return found


def _name(node: ast.stmt) -> str:
    match node:
        case ast.ImportFrom():
            return f"from {node.module}"
        case ast.Import() | ast.Assign():
            return ast.unparse(node).partition(" = ")[0]
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return node.name
        case _:
            return ast.unparse(node)


def shape(program: str) -> tuple[set[str], list[str]]:
    """What a program imports, and the rest of it in order, without comments and docstring."""
    body = [node for node, _ in _statements(program)]
    if ast.get_docstring(ast.parse(program)) is not None:
        del body[0]
    imports = {ast.unparse(node) for node in body if isinstance(node, (ast.Import, ast.ImportFrom))}
    return imports, [text for node in body if (text := ast.unparse(node)) not in imports]
