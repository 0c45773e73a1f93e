"""What is public: each name that a package shows, and the name that a reader finds it under.

A type in a signature is written as its module imports it. `Imports` follows such a name to where it
is defined, types that only type checkers import included, and `Catalogue` from there to the name
that users import.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

__all__ = [
    "PACKAGES",
    "Catalogue",
    "Definition",
    "Origin",
    "Published",
    "definition",
    "hint_of_attribute",
    "origin",
    "published",
    "tree",
]

PACKAGES: Final = (
    "sockwave",
    "sockwave.adapters",
    "sockwave.emitters",
    "sockwave.engine",
    "sockwave.observe",
    "sockwave.sync",
    "sockwave.testing",
)
"""In the order in which they are asked for the name of a thing: the first that shows it has it."""

ELSEWHERE: Final = {"sockwave.Engine"}
"""Names that are described where another package has them."""

KEYWORDS: Final = (
    "sockwave.engine.core.keywords",
    "sockwave.socketio.server.keywords",
    "sockwave.engine.client.keywords",
    "sockwave.socketio.client.keywords",
)
"""Modules whose types stand in signatures of others, with the options that they name."""

NAME: Final = re.compile(r"""(?P<text>'[^']*'|"[^"]*")|(?<![\w.])(?P<name>[A-Za-z_]\w*)""")


class Origin(NamedTuple):
    """Where something is defined."""

    module: str
    name: str


@dataclass(frozen=True, slots=True)
class Published:
    """A name that a package shows.

    Attributes:
        is_home: Whether it is described under this name; else under that of another package.
    """

    package: str
    name: str
    origin: Origin
    is_home: bool

    @property
    def path(self) -> str:
        """The name as it is imported."""
        return f"{self.package}.{self.name}"

    @property
    def value(self) -> Any:
        """What it stands for."""
        return getattr(importlib.import_module(self.package), self.name)


@cache
def published() -> tuple[Published, ...]:
    """Every public name, by package."""
    found: list[Published] = []
    seen: set[Origin] = set()
    for package in PACKAGES:
        for name in importlib.import_module(package).__all__:
            where = origin(package, name)
            is_home = where not in seen and f"{package}.{name}" not in ELSEWHERE
            found.append(Published(package, name, where, is_home))
            if is_home:
                seen.add(where)
    return tuple(found)


def origin(module: str, name: str) -> Origin:
    """Follow the imports of a name to the module that defines it."""
    while name in (known := _imports(module)):
        module, name = known[name]
    return Origin(module, name)


@cache
def tree(module: str) -> ast.Module:
    """The source of a module."""
    spec = importlib.util.find_spec(module)
    assert spec is not None and spec.origin is not None
    return ast.parse(Path(spec.origin).read_text())


@cache
def _imports(module: str) -> dict[str, tuple[str, str]]:
    """Names that a module has from others of this project."""
    return {
        alias.asname or alias.name: (node.module, alias.name)
        for node in ast.walk(tree(module))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sockwave")
        for alias in node.names
        if node.module is not None and importlib.util.find_spec(f"{node.module}") is not None
    }


class Definition(NamedTuple):
    """An alias or a class, as its module has it.

    Attributes:
        text: Of an alias, what it stands for; empty of a class.
        doc: What stands below it.
    """

    text: str
    doc: str


def definition(where: Origin) -> Definition | None:
    """What stands in a module for a type; None for what is neither alias nor class."""
    body = tree(where.module).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.ClassDef) and node.name == where.name:
            return Definition("", ast.get_docstring(node) or "")
        value = _assigned(node, where.name)
        if value is not None and not ast.unparse(value).startswith(("TypeVar(", "ParamSpec(")):
            text = value.value if isinstance(value, ast.Constant) else ast.unparse(value)
            return Definition(re.sub(r"\s+", " ", str(text)).strip(), _text_of(after))
    return None


def hint_of_attribute(cls: type[Any], name: str) -> str:
    """The type of what `__init__` sets: its own, or that of the argument; empty if neither is."""
    if not cls.__module__.startswith("sockwave") or "__init__" not in vars(cls):
        return ""
    for node in ast.walk(tree(cls.__module__)):
        if isinstance(node, ast.ClassDef) and node.name == cls.__name__:
            for function in node.body:
                if isinstance(function, ast.FunctionDef) and function.name == "__init__":
                    return _hint_within(function, name)
    return ""


def _hint_within(function: ast.FunctionDef, name: str) -> str:
    args = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    hints = {arg.arg: ast.unparse(arg.annotation) for arg in args if arg.annotation is not None}
    for node in ast.walk(function):
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(node, ast.AnnAssign):
            target = node.target
        if not isinstance(target, ast.Attribute) or target.attr != name:
            continue
        if isinstance(node, ast.AnnAssign):
            return ast.unparse(node.annotation)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name):
            return hints.get(node.value.id, "")
    return ""


def _assigned(node: ast.stmt, name: str) -> ast.expr | None:
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return node.value if node.target.id == name else None
    if isinstance(node, ast.Assign) and any(
        isinstance(target, ast.Name) and target.id == name for target in node.targets
    ):
        return node.value
    return None


def _text_of(node: ast.stmt | None) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return str(node.value.value)
    return ""


@dataclass(slots=True)
class Catalogue:
    """The names of types in signatures.

    Attributes:
        others: Types that are not public, but stand in signatures of what is; in order of use.
        is_open: Whether they are noted; no longer when they are described themselves.
    """

    homes: dict[Origin, str] = field(
        default_factory=lambda: {each.origin: each.path for each in published() if each.is_home}
    )
    others: dict[Origin, None] = field(default_factory=dict)
    is_open: bool = True

    def qualified(self, annotation: str, module: str) -> str:
        """A type where each name of ours is the whole one, by which the reference knows it."""

        def replace(match: re.Match[str]) -> str:
            if match["text"] is not None:
                return match[0]
            return self._path(match["name"], module) or match[0]

        return NAME.sub(replace, annotation)

    def _path(self, name: str, module: str) -> str | None:
        for place in (module, *KEYWORDS):
            where = origin(place, name)
            if where.module == place and definition(where) is None:
                continue
            if where in self.homes:
                return self.homes[where]
            if where.name[0].isupper() and definition(where) is not None:
                if self.is_open:
                    self.others[where] = None
                return f"{where.module}.{where.name}" if where in self.others else None
        return None
