"""Unions in models of Pydantic that a payload could make slow to tell apart.

Theory: Pydantic tries the members of a union without a discriminator one after the other. Where two
of them have the same union inside again, each level of a payload is tried twice as often as the one
above: twenty levels, which are 200 characters, take seconds. Members that cannot both be meant, an
array and an object, are told apart at once; a union with a discriminator, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["slow_union_of"]

_KINDS: Final = {
    "model": "object",
    "model-fields": "object",
    "typed-dict": "object",
    "dataclass": "object",
    "dataclass-args": "object",
    "dict": "object",
    "list": "array",
    "tuple": "array",
    "set": "array",
    "frozenset": "array",
    "generator": "array",
}

_NO_SCHEMAS: Final = frozenset(("metadata", "serialization", "config", "default", "cls"))
"""What stands in a schema and is none."""


def slow_union_of(schema: Any) -> bool:
    """Whether a core schema of Pydantic has a union that is in two of its own members again."""
    definitions = {each["ref"]: each for each in _parts(schema, {}) if "ref" in each}
    return any(
        _is_slow(each, definitions)
        for each in _parts(schema, definitions)
        if each.get("type") == "union"
    )


def _is_slow(union: dict[str, Any], definitions: dict[str, Any]) -> bool:
    kinds: set[str] = set()
    for choice in union["choices"]:
        member = choice[0] if isinstance(choice, tuple) else choice  # the other is its name
        if not any(each is union for each in _parts(member, definitions)):
            continue
        kind = _kind_of(member, definitions)
        if kind in kinds or (kinds and "" in (kind, *kinds)):
            return True
        kinds.add(kind)
    return False


def _kind_of(schema: Any, definitions: dict[str, Any]) -> str:
    """Array or object; empty where it may be either."""
    for _ in range(100):  # a reference may lead to itself
        kind = schema.get("type")
        if kind == "definition-ref":
            schema = definitions.get(schema["schema_ref"], {})
        elif kind in _KINDS and not schema.get("root_model"):
            return _KINDS[kind]
        elif isinstance(schema.get("schema"), dict):
            schema = schema["schema"]
        else:
            break
    return ""


def _parts(schema: Any, definitions: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All schemas in a schema, itself included; each once, as it may have itself inside."""
    seen: set[int] = set()
    waiting = [schema]
    while waiting:
        each = waiting.pop()
        if isinstance(each, (list, tuple)):
            waiting.extend(each)
        elif isinstance(each, dict) and id(each) not in seen:
            seen.add(id(each))
            waiting.extend(value for key, value in each.items() if key not in _NO_SCHEMAS)
            if each.get("type") == "definition-ref" and each["schema_ref"] in definitions:
                waiting.append(definitions[each["schema_ref"]])
            yield each
