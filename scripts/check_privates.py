"""Check that files of the package use private names of no other object than their own.

A name with an underscore in front is for the methods of its class. They may use it on `self`,
`cls`, `super()` and the class itself, and on others of their own kind where the code says that it
is one: a parameter of that type, what a call of the class gave, what `isinstance` has just found.
Between two objects that are made for each other, the name belongs to the contract between them,
without the underscore.
"""

from __future__ import annotations

import ast
import sys
from typing import TYPE_CHECKING, Final

from scripts.imports import SOURCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOREIGN: Final[dict[str, str]] = {
    "asyncio._get_running_loop": "None instead of an exception, on the path of each emit",
    "connection._writer": "redis-py shows the transport of its connection to nobody",
    "connector._acquired": "aiohttp has no other name for connections in use",
    "sender._buffer_fin": "aioquic raises RuntimeError for what is sent behind it",
    "sender._reset_error_code": "likewise, and a client may have asked for that by now",
    "sender._buffer_start": "aioquic tells nobody else what a peer has confirmed of a stream",
    "sender._buffer_stop": "likewise, and what was written to it",
    "sys._current_frames": "documented; the underscore says that it is for debuggers",
    "tls._peer_certificate": "aioquic shows it to nobody, and knows no hashes of certificates",
    "tls._peer_certificate_chain": "likewise",
    "zlib._Compress": "so the stubs name a type that zlib has no name for",
    "zlib._Decompress": "likewise",
}
"""Private names of other libraries, and why there is no way around each."""

_OF_TUPLES: Final = frozenset({"_asdict", "_fields", "_field_defaults", "_make", "_replace"})
"""Public all the same: so named tuples keep their methods apart from their fields."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def problems(source: Path = SOURCE) -> list[str]:
    """Say where files use what is not theirs."""
    return [
        f"{file.relative_to(source).as_posix()}:{line}: {what} is private to another object"
        for file in sorted(source.rglob("*.py"))
        for line, what in private_uses(file.read_text())
    ]


def private_uses(text: str) -> Iterator[tuple[int, str]]:
    """Line and expression of each private name in a module that is another object's."""
    tree = ast.parse(text)
    yield from sorted(_uses(tree, "", frozenset({"self", "cls"})))


def _uses(node: ast.AST, kind: str, own: frozenset[str]) -> Iterator[tuple[int, str]]:
    """Look through a node.

    Args:
        kind: The class that it is in; empty outside of classes.
        own: Names of objects of this kind.
    """
    if isinstance(node, ast.ClassDef):
        kind, own = node.name, frozenset({"self", "cls", node.name})
    elif isinstance(node, Function) and kind:
        own |= _own_kind(node, kind)
    elif isinstance(node, ast.Attribute) and is_private(node.attr):
        if not _is_own(node.value, own) and ast.unparse(node) not in FOREIGN:
            yield node.lineno, ast.unparse(node)
    elif isinstance(node, ast.Call) and (by_text := _named_by_text(node, own)):
        yield node.lineno, by_text
    elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sockwave"):
        for alias in node.names:
            if is_private(alias.name):
                yield node.lineno, f"{node.module}.{alias.name}"
    for child in ast.iter_child_nodes(node):
        yield from _uses(child, kind, own)


def _named_by_text(call: ast.Call, own: frozenset[str]) -> str | None:
    """The private name in `getattr(other, "_name")` and its like."""
    match call:
        case ast.Call(
            func=ast.Name("getattr" | "setattr" | "hasattr" | "delattr"),
            args=[of, ast.Constant(str(name)), *_],
        ) if is_private(name) and not _is_own(of, own):
            return f"{ast.unparse(of)}.{name}"
    return None


def is_private(name: str) -> bool:
    """Whether a name is for the methods of its class only."""
    return name.startswith("_") and not name.endswith("__") and name not in _OF_TUPLES


def _is_own(value: ast.expr, own: frozenset[str]) -> bool:
    if isinstance(value, ast.Call):  # a method that it takes over
        return isinstance(value.func, ast.Name) and value.func.id == "super"
    return isinstance(value, ast.Name) and value.id in own


def _own_kind(function: Function, kind: str) -> frozenset[str]:
    """Names in a method that the code says to be of its class."""
    args = function.args
    given = [*args.posonlyargs, *args.args, *args.kwonlyargs]
    found = {each.arg for each in given if each.annotation and _names(each.annotation, kind)}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and _makes(node.value, kind):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found |= {node.target.id} if _names(node.annotation, kind) else set()
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance":
            of, type_ = node.args
            found |= {of.id} if isinstance(of, ast.Name) and _names(type_, kind) else set()
    return frozenset(found)


def _names(annotation: ast.expr, kind: str) -> bool:
    """Whether a type is the class, or that and None."""
    parts = ast.unparse(annotation).strip("'\"").removesuffix(" | None")
    return parts.partition("[")[0] in (kind, "Self")


def _makes(value: ast.expr, kind: str) -> bool:
    """Whether a call makes one: `Kind(...)`, `cls(...)`, `cls.__new__(cls)`."""
    if not isinstance(value, ast.Call):
        return False
    return ast.unparse(value.func).removesuffix(".__new__") in (kind, "cls", "type(self)")


def main() -> int:
    """Print each use of a name that is not one's own."""
    found = problems()
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
