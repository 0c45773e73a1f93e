"""Arrows between files are all found, whatever an import is for, and lead to where a name is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scripts.imports import circles, imports

if TYPE_CHECKING:
    from pathlib import Path


class Package:
    """The package `p`, written file by file."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self.write("__init__")

    def write(self, module: str, *lines: str) -> None:
        file = self.source / "p" / f"{module}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{line}\n" for line in lines))

    def imported_by(self, module: str) -> set[str]:
        return imports(self.source)[f"p.{module}"]


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return Package(tmp_path)


TYPES_ONLY = ("from typing import TYPE_CHECKING", "if TYPE_CHECKING:", "    from p.b import B")
IN_A_FUNCTION = ("def f():", "    from p.b import B", "    return B")


@pytest.mark.parametrize(
    "lines",
    [
        ("from p.b import B",),
        ("from p import b",),
        ("import p.b",),
        ("import p.b as other",),
        TYPES_ONLY,
        IN_A_FUNCTION,
        ("try:", "    from p.b import B", "except ImportError:", "    B = None"),
    ],
)
def test_every_import_counts(package: Package, lines: tuple[str, ...]) -> None:
    package.write("a", *lines)
    package.write("b", "class B: ...")
    assert package.imported_by("a") == {"p.b"}


@pytest.mark.parametrize(
    ("lines", "runs"),
    [
        (TYPES_ONLY, False),
        (IN_A_FUNCTION, True),
        (("if TYPE_CHECKING:", "    pass", "else:", "    import p.b"), True),
        (("if x:", "    import p.b"), True),
    ],
)
def test_imports_for_types_can_be_left_out(
    package: Package, lines: tuple[str, ...], runs: bool
) -> None:
    package.write("a", *lines)
    package.write("b", "class B: ...")
    assert imports(package.source, for_types=False)["p.a"] == ({"p.b"} if runs else set())


@pytest.mark.parametrize("line", ["import os", "from pathlib import Path", "x = 'import p.b'"])
def test_what_is_not_of_the_package_does_not_count(package: Package, line: str) -> None:
    package.write("a", line)
    package.write("b")
    assert package.imported_by("a") == set()


@pytest.mark.parametrize(
    "passing", [("from p.rooms.b import B",), (*TYPES_ONLY[:2], "    from p.rooms.b import B")]
)
def test_name_that_a_package_passes_on_counts_as_its_origin(
    package: Package, passing: tuple[str, ...]
) -> None:
    package.write("rooms/__init__", *passing)
    package.write("rooms/b", "class B: ...")
    package.write("a", "from p.rooms import B")
    assert package.imported_by("a") == {"p.rooms.b"}


def test_name_that_is_passed_on_twice_under_another_name_is_found(package: Package) -> None:
    package.write("__init__", "from p.rooms import B as C")
    package.write("rooms/__init__", "from p.rooms.b import B")
    package.write("rooms/b", "class B: ...")
    package.write("a", "from p import C")
    assert package.imported_by("a") == {"p.rooms.b"}


def test_name_that_a_package_has_itself_counts_as_the_package(package: Package) -> None:
    package.write("rooms/__init__", "class B: ...")
    package.write("a", "from p.rooms import B")
    assert package.imported_by("a") == {"p.rooms"}


@pytest.mark.parametrize("back", [TYPES_ONLY, IN_A_FUNCTION, ("from p.b import B",)])
def test_circle_is_found_whatever_its_imports_are_for(
    package: Package, back: tuple[str, ...]
) -> None:
    package.write("a", *back)
    package.write("b", "from p.c import C", "class B: ...")
    package.write("c", "from p.a import f", "class C: ...")
    package.write("d", "from p.a import f")
    assert circles(imports(package.source)) == [frozenset({"p.a", "p.b", "p.c"})]


def test_circle_through_a_package_that_passes_a_name_on_is_found(package: Package) -> None:
    package.write("rooms/__init__", "from p.rooms.b import B")
    package.write("rooms/b", "from p.a import A", "class B: ...")
    package.write("a", "from p.rooms import B", "class A: ...")
    assert circles(imports(package.source)) == [frozenset({"p.a", "p.rooms.b"})]


def test_circles_come_by_size() -> None:
    graph = {"a": {"b"}, "b": {"a"}, "c": {"d"}, "d": {"e"}, "e": {"c", "a"}}
    assert circles(graph) == [frozenset({"c", "d", "e"}), frozenset({"a", "b"})]
