"""The check for private names finds those of other objects, and lets a class have its own."""

from __future__ import annotations

from textwrap import dedent, indent
from typing import TYPE_CHECKING

import pytest

from scripts.check_privates import private_uses, problems

if TYPE_CHECKING:
    from pathlib import Path


def found(text: str) -> list[str]:
    return [what for _, what in private_uses(dedent(text))]


def found_in_method(body: str, parameters: str = "") -> list[str]:
    method = f"def method(self, {parameters}):\n{indent(dedent(body), '    ')}"
    return found(f"class Box:\n{indent(method, '    ')}")


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("return other._name", "other._name"),
        ("other._name = 1", "other._name"),
        ("other._name()", "other._name"),
        ("return self.other._name", "self.other._name"),
        ("return self._other._name", "self._other._name"),
        ("return self.other()._name", "self.other()._name"),
        ("return Other._name", "Other._name"),
        ("return [each._name for each in self]", "each._name"),
        ("return lambda: other._name", "other._name"),
        ("return getattr(other, '_name', None)", "other._name"),
        ("setattr(other, '_name', 1)", "other._name"),
    ],
)
def test_private_name_of_another_object_is_found(body: str, what: str) -> None:
    assert found_in_method(body) == [what]


@pytest.mark.parametrize(
    "body",
    [
        "return self._name",
        "return self._name.other",
        "return super()._name()",
        "return Box._count",
        "return other.name",
        "return other.__class__",
        "return getattr(self, '_name')",
        "return getattr(other, '__name__')",
        "return parts._replace(a=1)",
        "other = Box()\nreturn other._name",
        "other = type(self)()\nreturn other._name",
        "other = Box.__new__(Box)\nother._name = 1",
        "return isinstance(other, Box) and other._name == self._name",
        "def inner():\n    return self._name",
    ],
)
def test_class_has_its_own_private_names_and_those_of_its_kind(body: str) -> None:
    assert found_in_method(body) == []


@pytest.mark.parametrize("type_", ["Box", "'Box'", "Self", "Box | None", "Box[int]"])
def test_parameter_of_the_class_is_of_its_kind(type_: str) -> None:
    assert found_in_method("return other._name", f"other: {type_}") == []


@pytest.mark.parametrize("type_", ["Other", "list[Box]", "Boxes"])
def test_parameter_of_another_class_is_not(type_: str) -> None:
    assert found_in_method("return other._name", f"other: {type_}") == ["other._name"]


def test_class_method_may_use_names_of_what_it_makes() -> None:
    text = """
        class Box:
            @classmethod
            def make(cls):
                box = cls()
                box._name = 1
                return box
    """
    assert found(text) == []


def test_class_inside_a_method_is_another_kind() -> None:
    text = """
        class Box:
            def method(self, other: Box):
                class Inner:
                    def method(self):
                        return other._name
    """
    assert found(text) == ["other._name"]


def test_function_of_a_module_is_no_method() -> None:
    assert found("def f(box: Box):\n    return box._name\n") == ["box._name"]


def test_private_name_out_of_another_file_is_found() -> None:
    text = "from sockwave.types import Room, _private\nfrom elsewhere import _other\n"
    assert list(private_uses(text)) == [(1, "sockwave.types._private")]


def test_lines_are_told_in_order() -> None:
    assert list(private_uses("a._b\n\nc._d\n")) == [(1, "a._b"), (3, "c._d")]


def test_place_is_told_by_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("\nx._y\n")
    assert problems(tmp_path) == ["a.py:2: x._y is private to another object"]
