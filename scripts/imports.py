"""The imports of the package, file by file: for the picture, and for the check of circles."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SOURCE", "circles", "imports", "reach"]

T = TypeVar("T")

SOURCE: Final = Path(__file__).resolve().parent.parent / "src"


def imports(source: Path = SOURCE, *, for_types: bool = True) -> dict[str, set[str]]:
    """What each module imports of the package, inside functions too.

    A name that a package only passes on counts as an import of the module that has it.

    Args:
        for_types: With what is imported under `if TYPE_CHECKING`.
    """
    modules = {_name(file, source): file for file in sorted(source.rglob("*.py"))}
    trees = {name: ast.parse(file.read_text()) for name, file in modules.items()}
    passed_on = {
        name: _origins(tree, name, modules)
        for name, tree in trees.items()
        if modules[name].name == "__init__.py"
    }
    found: dict[str, set[str]] = {}
    for name, tree in trees.items():
        targets = {
            _resolve(*each, modules, passed_on) for each in _statements(tree, for_types=for_types)
        }
        found[name] = {target for target in targets if target in modules} - {name}
    return found


def circles(graph: dict[str, set[str]]) -> list[frozenset[str]]:
    """Modules that reach each other, the largest circle first."""
    reached = {name: reach(graph, name) for name in graph}
    found = {
        frozenset(other for other in reached[name] if name in reached[other]) for name in graph
    }
    return sorted((circle for circle in found if len(circle) > 1), key=lambda c: (-len(c), min(c)))


def reach(graph: Mapping[T, set[T]], start: T) -> set[T]:
    """Where the arrows lead from a place, in any number of steps."""
    seen: set[T] = set()
    waiting = [start]
    while waiting:
        for target in graph[waiting.pop()] - seen:
            seen.add(target)
            waiting.append(target)
    return seen


def _name(file: Path, source: Path) -> str:
    parts = file.relative_to(source).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _statements(tree: ast.Module, *, for_types: bool) -> list[tuple[str, str]]:
    """Modules, and names taken out of them; an empty name for a whole module."""
    found: list[tuple[str, str]] = []
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found += [(node.module, alias.name) for alias in node.names]
        elif isinstance(node, ast.If) and not for_types and _is_for_types(node):
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)
    return found


def _is_for_types(node: ast.If) -> bool:
    return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _origins(tree: ast.Module, package: str, modules: dict[str, Path]) -> dict[str, str]:
    return {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module is not None
        for alias in node.names
    }


def _resolve(
    module: str, name: str, modules: dict[str, Path], passed_on: dict[str, dict[str, str]]
) -> str:
    whole = f"{module}.{name}"
    if whole in modules:
        return whole
    while name and (origin := passed_on.get(module, {}).get(name)) is not None:
        module, _, name = origin.rpartition(".")
        if f"{module}.{name}" in modules:
            return f"{module}.{name}"
    return module
