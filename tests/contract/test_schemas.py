"""What a schema admits the check of the same type admits, and what it does not is refused there."""

from __future__ import annotations

import copy
import datetime as dt
import enum
import functools
import json
import re
import uuid  # noqa: TC003 # schemas are made of it
from dataclasses import dataclass
from decimal import Decimal  # noqa: TC003
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypedDict

import jsonschema  # type: ignore[import-untyped] # of a tool's
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sockwave import InvalidEvent
from sockwave.contract.checks import make_check
from sockwave.contract.examples import example_of
from sockwave.contract.schemas import Schemas

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sockwave.contract.description import Schema


class Kind(enum.Enum):
    A = "a"
    B = "b"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Node(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=8)]
    count: Annotated[int, msgspec.Meta(gt=0, le=9)] = 1
    more: list[Node] = []


class Closed(msgspec.Struct, forbid_unknown_fields=True):
    of: Kind
    level: Level | None = None


class Row(msgspec.Struct, array_like=True):
    x: int
    y: str = ""


class Red(msgspec.Struct, tag="red"):
    x: int


class Blue(msgspec.Struct, tag="blue"):
    y: str


class Size(NamedTuple):
    width: int
    height: float = 0.0


class Filter(TypedDict, total=False):
    limit: int
    words: list[str]


@dataclass
class Whole:
    id: uuid.UUID
    at: dt.datetime
    day: dt.date
    price: Decimal
    data: bytes
    by: Literal["foot", "car", 3, None]
    places: dict[int, tuple[float, float]]
    sized: Size | None = None


TYPES: list[Any] = [
    str,
    int,
    float,
    bool,
    None,
    bytes,
    list,
    dict,
    str | bytes,
    int | str | None,
    Annotated[int, msgspec.Meta(ge=-3, lt=7)],
    Annotated[int, msgspec.Meta(multiple_of=3)],
    Annotated[float, msgspec.Meta(gt=0)],
    Annotated[list[int], msgspec.Meta(min_length=1, max_length=2)],
    Annotated[dict[str, int], msgspec.Meta(max_length=1)],
    Kind,
    Level,
    Literal["a", 1, None],
    set[str],
    tuple[int, ...],
    tuple[int, str],
    dict[int, str],
    dict[Literal["a", "b"], int],
    Node,
    Closed,
    Row,
    Red | Blue,
    Size,
    Filter,
    Whole,
    list[Whole | None],
]

TEXTS = {
    "uuid": st.uuids().map(str),
    "date": st.dates().map(str),
    "date-time": st.datetimes(timezones=st.just(dt.UTC)).map(dt.datetime.isoformat),
    "time": st.times().map(lambda at: f"{at.isoformat()}Z"),
    "decimal": st.decimals(allow_nan=False, allow_infinity=False).map(str),
    "binary": st.binary(max_size=8),
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-9.5, 9.5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=4,
)


def values(schema: Schema, models: dict[str, Schema], depth: int = 0) -> st.SearchStrategy[Any]:
    """Values that a schema admits."""
    if "$ref" in schema:
        return values(models[schema["$ref"].rpartition("/")[2]], models, depth + 1)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema:
        return st.one_of([values(each, models, depth) for each in schema["anyOf"]])
    kind = schema.get("type")
    if kind == "string":
        return texts(schema)
    if kind == "integer":
        step = schema.get("multipleOf", 1)
        least = schema.get("minimum", schema.get("exclusiveMinimum", -(2**70) - 1) + 1)
        most = schema.get("maximum", schema.get("exclusiveMaximum", 2**70 + 1) - 1)
        return st.integers(-(-least // step), most // step).map(lambda number: number * step)
    if kind == "number":
        least = schema.get("exclusiveMinimum")
        floats = st.floats(min_value=least, allow_nan=False, allow_infinity=False)
        return floats.filter(lambda number: least is None or number > least) | st.integers(1, 2**70)
    if kind == "array":
        return arrays(schema, models, depth)
    if kind == "object":
        return objects(schema, models, depth)
    return {"boolean": st.booleans(), "null": st.none()}.get(str(kind), ANYTHING)


def texts(schema: Schema) -> st.SearchStrategy[Any]:
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True)
    plain = st.text(min_size=schema.get("minLength", 0), max_size=schema.get("maxLength", 9))
    return TEXTS.get(schema.get("format", ""), plain)


def arrays(schema: Schema, models: dict[str, Schema], depth: int) -> st.SearchStrategy[Any]:
    if "prefixItems" in schema:
        items = [values(each, models, depth) for each in schema["prefixItems"]]
        sizes = range(schema["minItems"], len(items) + 1)
        return st.one_of([st.tuples(*items[:size]).map(list) for size in sizes])
    most = 0 if depth > 2 and not schema.get("minItems") else schema.get("maxItems", 2)
    item = ANYTHING if most == 0 else values(schema.get("items", {}), models, depth)
    return st.lists(item, min_size=schema.get("minItems", 0), max_size=most)


def objects(schema: Schema, models: dict[str, Schema], depth: int) -> st.SearchStrategy[Any]:
    if "properties" not in schema:
        keys = values({"type": "string", **schema.get("propertyNames", {})}, models, depth)
        more = values(schema.get("additionalProperties", {}), models, depth)
        return st.dictionaries(keys, more, max_size=schema.get("maxProperties", 2))
    found = {name: values(each, models, depth) for name, each in schema["properties"].items()}
    sure = {name: found.pop(name) for name in schema["required"]}
    return st.fixed_dictionaries(sure, optional=found)


def validator(schema: Schema, models: dict[str, Schema]) -> Any:
    """Says what a schema admits, where bytes are no text and `1.0` is no integer."""

    def is_text(checker: Any, value: Any) -> bool:
        return isinstance(value, (str, bytes))

    def is_integer(checker: Any, value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool)

    def check_type(checker: Any, kind: Any, value: Any, inside: Any) -> Iterator[Any]:
        is_bytes = isinstance(value, bytes)
        if kind == "string" and is_bytes is not (inside.get("format") == "binary"):
            yield jsonschema.ValidationError("bytes are no text")
        yield from jsonschema.Draft202012Validator.VALIDATORS["type"](checker, kind, value, inside)

    base = jsonschema.Draft202012Validator
    types = base.TYPE_CHECKER.redefine_many({"string": is_text, "integer": is_integer})
    kind = jsonschema.validators.extend(base, validators={"type": check_type}, type_checker=types)
    return kind({**schema, "models": models})


def mutated(value: Any, data: st.DataObject) -> Any:
    """The same value with something else at one place of it."""
    places = list(places_of(value))
    path = data.draw(st.sampled_from(places))
    other = data.draw(ANYTHING | st.binary(max_size=2))
    if not path:
        return other
    changed = copy.deepcopy(value)
    inside = changed
    for step in path[:-1]:
        inside = inside[step]
    if isinstance(inside, dict) and data.draw(st.booleans()):
        del inside[path[-1]]
    else:
        inside[path[-1]] = other
    return changed


def places_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    pairs: Any = ()
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value)
    for step, inside in pairs:
        yield from places_of(inside, (*path, step))


def schema_of(annotation: Any) -> tuple[Schema, dict[str, Schema]]:
    schemas = Schemas()
    schema = schemas.of(annotation)
    return schema, schemas.finish()


class Prepared(NamedTuple):
    """What is made once of a type."""

    schema: Schema
    models: dict[str, Schema]
    validator: Any
    check: Any

    def refusal(self, value: Any) -> InvalidEvent | None:
        """What the check says against a value."""
        if self.check is None:
            return None
        try:
            self.check(value)
        except InvalidEvent as error:
            return error
        return None


@functools.cache
def prepared(at: int) -> Prepared:
    schema, models = schema_of(TYPES[at])
    check = make_check(TYPES[at], strict=True)
    return Prepared(schema, models, validator(schema, models), check)


each_type = pytest.mark.parametrize("at", range(len(TYPES)), ids=lambda at: str(TYPES[at])[:40])
few = settings(max_examples=30, deadline=None)


@each_type
@few
@given(data=st.data())
def test_what_the_schema_admits_passes(at: int, data: st.DataObject) -> None:
    made = prepared(at)
    value = data.draw(values(made.schema, made.models))

    assert made.validator.is_valid(value)
    assert made.refusal(value) is None


@each_type
@few
@given(data=st.data())
def test_what_it_does_not_admit_is_refused_at_its_place(at: int, data: st.DataObject) -> None:
    made = prepared(at)
    value = mutated(data.draw(values(made.schema, made.models)), data)
    errors = [
        leaf for error in made.validator.iter_errors(value) for leaf in (error, *leaves(error))
    ]
    if not errors:
        return
    if any(each.schema.get("format") == "decimal" for each in errors):
        return  # a number is taken for a Decimal as well

    refused = made.refusal(value)

    assert refused is not None
    told = steps_of(refused.path)
    places = [[str(step) for step in each.absolute_path] for each in errors]
    assert any(is_same_way(told, each) for each in places), (told, places)


def steps_of(path: str) -> list[str]:
    """The steps of a path of ours; `...` stands for a key of a dictionary."""
    found = re.findall(r"\[(.*?)\]|\.(\w+)", path)
    return [index or name for index, name in found]


def is_same_way(told: list[str], place: list[str]) -> bool:
    """Whether one leads to the other: an error of a whole may be told of a part of it."""
    return all(ours in ("...", theirs) for ours, theirs in zip(told, place, strict=False))


def leaves(error: Any) -> Iterator[Any]:
    """What an error is made of: each member of a union says why."""
    for each in error.context or ():
        yield each
        yield from leaves(each)


@each_type
def test_example_is_one_that_passes(at: int) -> None:
    made = prepared(at)
    example = example_of(made.schema, made.models)
    if "binary" in json.dumps([made.schema, made.models, example]):
        return  # it stands for bytes, which are no text

    assert made.validator.is_valid(example)
    assert made.refusal(example) is None
