"""Types of payloads, of each kind that a typed handler may ask for."""

import enum
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, NamedTuple, TypedDict

import msgspec

__all__ = ["Cat", "Color", "Dog", "Filter", "Item", "Point", "Size", "Upload"]


class Item(msgspec.Struct):
    name: str
    price: Decimal
    count: Annotated[int, msgspec.Meta(gt=0)] = 1


@dataclass
class Point:
    x: float
    y: float
    tags: list[str] = field(default_factory=list)


class Size(NamedTuple):
    width: int
    height: int


class Filter(TypedDict, total=False):
    color: str
    limit: int


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Cat(msgspec.Struct, tag="cat"):
    lives: int


class Dog(msgspec.Struct, tag="dog"):
    tricks: list[str]


class Upload(msgspec.Struct):
    name: str
    parts: list[bytes]
    preview: bytes | None = None
