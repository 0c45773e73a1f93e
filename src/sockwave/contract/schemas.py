"""JSON Schemas of types: what the checks admit, said to those who send it.

Theory: msgspec tells what it has understood of a type, and the check of that type goes by the same.
A class is met once and referred to; its name is known only when all are there, since two classes of
one name get the names of their modules in front. So references are filled in at the end.
"""

from __future__ import annotations

import inspect
import json
import re
import types
import typing
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from msgspec import inspect as kinds

from sockwave.contract.annotations import UNKNOWN
from sockwave.contract.checks import BINARY, split_binary
from sockwave.contract.models import is_model

if TYPE_CHECKING:
    from sockwave.contract.description import Schema

__all__ = ["REFERENCE", "Schemas"]

REFERENCE: Final = "#/models/"
"""What a reference to a class begins with."""

_BINARY: Final[Schema] = {"type": "string", "format": "binary"}

_SIMPLE: Final[dict[type, Schema]] = {
    kinds.AnyType: {},
    kinds.RawType: {},
    kinds.NoneType: {"type": "null"},
    kinds.BoolType: {"type": "boolean"},
    kinds.DateType: {"type": "string", "format": "date"},
    kinds.TimeDeltaType: {"type": "string", "format": "duration"},
    kinds.UUIDType: {"type": "string", "format": "uuid"},
    kinds.DecimalType: {"type": "string", "format": "decimal"},
}

_BOUNDS: Final = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
}

_INTEGER_KEY: Final = "^-?(0|[1-9][0-9]*)$"
_NUMBER_KEY: Final = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
_NOT_A_NAME: Final = re.compile(r"\W+", re.ASCII)
_EMPTY: Final[dict[Any, Any]] = {list: [], dict: {}}


class Schemas:
    """The schemas of the types of one contract, and of the classes in them."""

    def __init__(self) -> None:
        self._classes: dict[Any, Schema] = {}
        self._models: dict[Any, None] = {}
        self._references: list[tuple[Schema, Any]] = []
        self._model_names: dict[Any, str] = {}

    def of(self, annotation: Any) -> Schema:
        """The schema of a type; `{}` where nothing is known of it."""
        if annotation is UNKNOWN:
            return {}
        if annotation in BINARY:
            return dict(_BINARY)
        binary, others = split_binary(annotation)
        if binary:
            other = self.of(others)
            return {"anyOf": [*other.get("anyOf", [other]), dict(_BINARY)]} if other else {}
        try:
            return self._schema(kinds.type_info(annotation))
        except (TypeError, ValueError, NameError, RecursionError):
            return {}  # a handler whose arguments are not checked may say anything

    def finish(self) -> dict[str, Schema]:
        """The schemas of all classes, by name; all references are right from now on."""
        models = self._of_pydantic()
        names = _names(list(self._classes), set(models))
        names.update(self._model_names)
        for schema, cls in self._references:
            schema["$ref"] = REFERENCE + names[cls]
        models.update((names[cls], schema) for cls, schema in self._classes.items())
        return dict(sorted(models.items()))

    def _schema(self, info: Any) -> Schema:
        if isinstance(info, kinds.Metadata):
            return {**self._schema(info.type), **(info.extra_json_schema or {})}
        if (simple := _SIMPLE.get(type(info))) is not None:
            return dict(simple)
        if isinstance(info, (kinds.IntType, kinds.FloatType)):
            return _number(info)
        if isinstance(info, kinds.StrType):
            return _text(info)
        if isinstance(info, (kinds.DateTimeType, kinds.TimeType)):
            return _moment(info)
        if isinstance(info, (kinds.BytesType, kinds.ByteArrayType, kinds.MemoryViewType)):
            return {**_BINARY, **_lengths(info, "Length")}
        if isinstance(info, kinds.LiteralType):
            return {"enum": list(info.values)}
        if isinstance(info, kinds.UnionType):
            return _any_of([self._schema(each) for each in info.types])
        if isinstance(info, kinds.DictType):
            return self._mapping(info)
        if isinstance(info, kinds.TupleType):
            return self._fixed([self._schema(each) for each in info.item_types], None)
        if isinstance(info, kinds.CollectionType):
            items = self._schema(info.item_type)
            return {
                "type": "array",
                **({"items": items} if items else {}),
                **_lengths(info, "Items"),
            }
        if isinstance(info, kinds.CustomType):
            return self._custom(info)
        return self._reference(info)

    def _mapping(self, info: kinds.DictType) -> Schema:
        schema: Schema = {"type": "object"}
        values = self._schema(info.value_type)
        if values:
            schema["additionalProperties"] = values
        keys = _key(self._schema(info.key_type))
        if keys:
            schema["propertyNames"] = keys
        return {**schema, **_lengths(info, "Properties")}

    def _fixed(self, items: list[Schema], least: int | None, *, open_: bool = False) -> Schema:
        """An array of so many items, or from `least` on."""
        schema: Schema = {
            "type": "array",
            "prefixItems": items,
            "minItems": len(items) if least is None else least,
        }
        if not open_:
            schema["maxItems"] = len(items)
        return schema

    def _custom(self, info: kinds.CustomType) -> Schema:
        if not is_model(info.cls):
            if info.cls is object:
                return {}
            raise TypeError(f"nothing is known of how a {info.cls!r} comes in JSON")
        self._models[info.cls] = None
        return self._referred(info.cls)

    def _reference(self, info: Any) -> Schema:
        cls = info.cls
        if cls not in self._classes:
            schema = self._classes[cls] = {}  # it may have itself inside
            try:
                schema.update(self._class(info))
            except Exception:
                del self._classes[cls]
                self._references = [each for each in self._references if each[1] != cls]
                raise
        return self._referred(cls)

    def _referred(self, cls: Any) -> Schema:
        schema: Schema = {"$ref": ""}
        self._references.append((schema, cls))
        return schema

    def _class(self, info: Any) -> Schema:
        said: Schema = {"title": _own_name(info.cls)}
        if description := _description(info.cls):
            said["description"] = description
        if isinstance(info, kinds.EnumType):
            return {**said, "enum": [each.value for each in info.cls]}
        fields = [self._field(each) for each in info.fields]
        needed = [each.required for each in info.fields]
        if isinstance(info, kinds.NamedTupleType):
            return {**said, **self._fixed(fields, sum(needed))}
        if getattr(info, "array_like", False):
            if info.tag is not None:
                fields, needed = [{"enum": [info.tag]}, *fields], [True, *needed]
            least = max((at + 1 for at, is_needed in enumerate(needed) if is_needed), default=0)
            return {**said, **self._fixed(fields, least, open_=not info.forbid_unknown_fields)}
        names = [each.encode_name for each in info.fields]
        if getattr(info, "tag_field", None) is not None:
            names, needed = [info.tag_field, *names], [True, *needed]
            fields = [{"enum": [info.tag]}, *fields]
        schema = {**said, "type": "object", "properties": dict(zip(names, fields, strict=True))}
        schema["required"] = [
            name for name, is_needed in zip(names, needed, strict=True) if is_needed
        ]
        if getattr(info, "forbid_unknown_fields", False):
            schema["additionalProperties"] = False
        return schema

    def _field(self, field: kinds.Field) -> Schema:
        schema = self._schema(field.type)
        default: Any = field.default
        if default is msgspec.NODEFAULT and field.default_factory in _EMPTY:
            default = _EMPTY[field.default_factory]
        if default is msgspec.NODEFAULT or default is msgspec.UNSET:
            return schema
        try:
            plain = msgspec.to_builtins(default, builtin_types=BINARY)
            schema["default"] = json.loads(json.dumps(plain, allow_nan=False))
        except (TypeError, ValueError, RecursionError):
            pass  # bytes, or a class of the application's
        return schema

    def _of_pydantic(self) -> dict[str, Schema]:
        """What Pydantic says of its models, and of the classes in them."""
        if not self._models:
            return {}
        from pydantic.json_schema import GenerateJsonSchema, models_json_schema

        class WithoutTitles(GenerateJsonSchema):
            """The name of a field is its title enough."""

            def field_title_should_be_set(self, schema: Any) -> bool:
                return False

        found, whole = models_json_schema(
            [(cls, "validation") for cls in self._models],
            ref_template=REFERENCE + "{model}",
            schema_generator=WithoutTitles,
        )
        for (cls, _), schema in found.items():
            self._model_names[cls] = schema["$ref"].removeprefix(REFERENCE)
        return cast("dict[str, Schema]", whole.get("$defs", {}))


def _number(info: kinds.IntType | kinds.FloatType) -> Schema:
    schema: Schema = {"type": "integer" if isinstance(info, kinds.IntType) else "number"}
    for name, word in _BOUNDS.items():
        if (bound := getattr(info, name)) is not None:
            schema[word] = bound
    return schema


def _text(info: kinds.StrType) -> Schema:
    schema: Schema = {"type": "string", **_lengths(info, "Length")}
    if info.pattern is not None:
        schema["pattern"] = info.pattern
    return schema


def _moment(info: kinds.DateTimeType | kinds.TimeType) -> Schema:
    """With an offset or without, unless the type says which."""
    schema: Schema = {"type": "string"}
    if info.tz is not False:
        schema["format"] = "date-time" if isinstance(info, kinds.DateTimeType) else "time"
    if info.tz is not None:
        schema["pattern"] = "([zZ]|[+-][0-9]{2}:[0-9]{2})$" if info.tz else ":[0-9.]+$"
        if not info.tz:
            kind = "date and a time" if isinstance(info, kinds.DateTimeType) else "time"
            schema["description"] = f"A {kind} without an offset."
    return schema


def _lengths(info: Any, what: str) -> Schema:
    limits = {f"min{what}": info.min_length, f"max{what}": info.max_length}
    return {name: limit for name, limit in limits.items() if limit is not None}


def _any_of(members: list[Schema]) -> Schema:
    if {} in members:
        return {}
    return {"anyOf": members}


def _key(schema: Schema) -> Schema:
    """What the keys of an object are for those of a dictionary, which are text in JSON."""
    kind = schema.get("type")
    if kind == "integer":
        return {"pattern": _INTEGER_KEY}
    if kind == "number":
        return {"pattern": _NUMBER_KEY}
    if kind == "string":
        return {name: value for name, value in schema.items() if name != "type"}
    if "enum" in schema:
        return {"enum": [each if isinstance(each, str) else str(each) for each in schema["enum"]]}
    return {} if kind is None and "$ref" not in schema else schema


def _description(cls: Any) -> str:
    """The docstring of a class, but not the one that is made for dataclasses and the like."""
    cls = getattr(cls, "__origin__", cls)
    text = vars(cls).get("__doc__") or ""
    generated = text.startswith(f"{cls.__name__}(") or text == "An enumeration."
    return "" if generated else inspect.cleandoc(text)


def _own_name(cls: Any) -> str:
    """Of a class, and of what stands in its brackets."""
    if cls is type(None):
        return "None"
    arguments = [_own_name(each) for each in getattr(cls, "__args__", ())]
    if typing.get_origin(cls) in (typing.Union, types.UnionType):
        return "_or_".join(arguments)  # whatever this version of Python calls a union
    origin = getattr(cls, "__origin__", cls)
    name = getattr(origin, "__name__", None) or str(origin)
    return _NOT_A_NAME.sub("_", "_".join([name, *arguments])).strip("_")


def _names(classes: list[Any], taken: set[str]) -> dict[Any, str]:
    """A name for each class: its own, with its module in front where others have that."""
    own = [_own_name(each) for each in classes]
    names: dict[Any, str] = {}
    for cls, name in zip(classes, own, strict=True):
        if own.count(name) > 1 or name in taken:
            place = getattr(cls, "__origin__", cls)
            scope = ".".join([place.__module__, *place.__qualname__.split(".")[:-1], name])
            name = _NOT_A_NAME.sub("_", scope).strip("_")
        number, free = 1, name
        while free in names.values() or free in taken:
            number += 1
            free = f"{name}_{number}"
        names[cls] = free
    return names
