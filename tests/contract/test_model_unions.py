"""Models of Pydantic with unions that a small payload could make slow are refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pydantic
import pytest

from sockwave.contract.checks import UnsupportedType, make_check
from sockwave.errors import InvalidEvent


class Left(pydantic.BaseModel):
    inner: Left | Right | None = None


class Right(pydantic.BaseModel):
    inner: Left | Right | None = None


class Listed(pydantic.BaseModel):
    children: list[Listed | Other] = []


class Other(pydantic.BaseModel):
    table: dict[str, Listed | Other] = {}


class FromLeft(pydantic.BaseModel):
    inner: Annotated[Left2 | int | dict[str, Left2], pydantic.Field(union_mode="left_to_right")]


class Left2(pydantic.BaseModel):
    from_left: FromLeft | None = None


class Holder(pydantic.BaseModel):
    lefts: list[Left]


class Struct(msgspec.Struct):
    """A model inside of something else."""

    model: Holder


class Tree(pydantic.BaseModel):
    children: list[Tree] | dict[str, Tree] | Tree | int | str | None = None


class Json(pydantic.RootModel[Any]):
    root: list[Json] | dict[str, Json] | str | int | None


class Red(pydantic.BaseModel):
    kind: Literal["red"]
    inner: Annotated[Red | Blue, pydantic.Field(discriminator="kind")] | None = None


class Blue(pydantic.BaseModel):
    kind: Literal["blue"]
    inner: Annotated[Red | Blue, pydantic.Field(discriminator="kind")] | None = None


class Flat(pydantic.BaseModel):
    one: Red | Blue | int
    two: Red | Blue


class One(pydantic.BaseModel):
    inner: One | int | list[int] | None = None


class Unresolved(pydantic.BaseModel):
    inner: Missing  # type: ignore[name-defined] # noqa: F821


@pytest.mark.parametrize("model", [Left, Right, Listed, Other, FromLeft, Holder, Struct, Tree])
def test_model_with_a_union_that_is_inside_of_itself_twice_is_refused(model: Any) -> None:
    with pytest.raises(UnsupportedType, match="could take hours to check: give it a discriminator"):
        make_check(list[model], strict=True)


@pytest.mark.parametrize(
    ("model", "level", "leaf"),
    [
        (Json, lambda inner: [inner], []),
        (Json, lambda inner: {"a": inner}, []),
        (Red, lambda inner: {"kind": "red", "inner": inner}, None),
        (One, lambda inner: {"inner": inner}, 5),
    ],
)
def test_what_is_told_apart_at_once_may_be_deep(model: Any, level: Any, leaf: Any) -> None:
    check: Any = make_check(model, strict=True)
    value, wrong = leaf, object()
    for _ in range(100):
        value, wrong = level(value), level(wrong)
    assert isinstance(check(value), model)
    with pytest.raises(InvalidEvent):
        check(wrong)


def test_union_that_is_in_none_of_its_members_is_admitted() -> None:
    check: Any = make_check(Flat, strict=True)
    assert check({"one": 5, "two": {"kind": "blue"}}).two == Blue(kind="blue")


def test_model_with_an_annotation_that_cannot_be_resolved_is_refused_at_registration() -> None:
    with pytest.raises(NameError, match="Missing"):
        make_check(Unresolved, strict=True)
