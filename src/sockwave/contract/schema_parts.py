"""What the writers of code ask of a contract's schemas: names, references, what no type can say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sockwave.contract.description import Contract, EventContract, Schema

__all__ = [
    "BOUNDS",
    "BRANCHES",
    "class_name",
    "free_name",
    "holders_of_bytes",
    "is_bytes",
    "line_of",
    "model_names",
    "namespace_prefixes",
    "parts_of",
    "reference",
    "title_of",
    "variants_of",
]

REFERENCE: Final = "#/models/"

BRANCHES: Final = ("anyOf", "oneOf", "allOf")
"""Keywords whose values are schemas of the same value."""

BOUNDS: Final = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "length at least {}",
    "maxLength": "length at most {}",
    "pattern": "pattern {}",
    "format": "format {}",
    "contentEncoding": "encoding {}",
    "minItems": "items at least {}",
    "maxItems": "items at most {}",
    "uniqueItems": "no item twice",
    "minProperties": "keys at least {}",
    "maxProperties": "keys at most {}",
}
"""Keywords that a type of TypeScript or Python does not have, and how a comment says them."""


def reference(schema: Schema) -> str | None:
    """The model that a schema refers to; None where it refers to none."""
    target = schema.get("$ref")
    if not isinstance(target, str) or not target.startswith(REFERENCE):
        return None
    return target.removeprefix(REFERENCE).replace("~1", "/").replace("~0", "~")


def is_bytes(schema: Schema) -> bool:
    """Whether the values travel as attachments."""
    return schema.get("type") == "string" and schema.get("format") == "binary"


def parts_of(schema: Any) -> Iterator[Schema]:
    """The schemas right inside of one, those of branches included."""
    if not isinstance(schema, dict):
        return
    for keyword in (*BRANCHES, "prefixItems"):
        yield from (each for each in schema.get(keyword, ()) if isinstance(each, dict))
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            yield schema[keyword]
    for keyword in ("properties", "patternProperties"):
        yield from (each for each in schema.get(keyword, {}).values() if isinstance(each, dict))


def holders_of_bytes(contract: Contract) -> frozenset[str]:
    """Models that have bytes somewhere inside, in models of theirs too."""
    inside = {name: list(_flat(schema)) for name, schema in contract.models.items()}
    holders = {name for name, parts in inside.items() if any(map(is_bytes, parts))}
    found = -1
    while found != len(holders):
        found = len(holders)
        holders |= {
            name for name, parts in inside.items() if any(reference(p) in holders for p in parts)
        }
    return frozenset(holders)


def _flat(schema: Schema) -> Iterator[Schema]:
    yield schema
    for part in parts_of(schema):
        yield from _flat(part)


def title_of(contract: Contract) -> str:
    """Title and version, for the head of a file."""
    return line_of(f"{contract.title} {contract.version}")


def line_of(text: str) -> str:
    """Text on one line."""
    return " ".join(text.split())


def class_name(text: str) -> str:
    """A name for a class made of any text: `/org/{org_id}` is `OrgOrgId`."""
    words = re.findall(r"[A-Za-z0-9]+", text)
    name = "".join(word[0].upper() + word[1:] for word in words)
    return f"N{name}" if name[:1].isdigit() else name


def free_name(wanted: str, taken: Iterable[str]) -> str:
    """A name, or the name with the first number behind it that makes it free."""
    used, number, name = set(taken), 1, wanted
    while name in used:
        number += 1
        name = f"{wanted}{number}"
    return name


def model_names(contract: Contract, reserved: Iterable[str]) -> dict[str, str]:
    """Identifiers for the models; those that are identifiers and free stay what they are."""
    taken = set(reserved)
    names = {}
    plain = [name for name in contract.models if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name)]
    others = [name for name in contract.models if name not in plain]
    for name in (*plain, *others):
        names[name] = free_name(name if name in plain else class_name(name) or "Model", taken)
        taken.add(names[name])
    return names


def namespace_prefixes(contract: Contract) -> dict[str, str]:
    """What stands before the names of a namespace: nothing for `/`, `Orders` for `/orders`."""
    prefixes: dict[str, str] = {}
    for each in contract.namespaces:
        wanted = "" if each.name == "/" else class_name(each.name) or "Other"
        prefixes[each.name] = free_name(wanted, prefixes.values())
    return prefixes


def variants_of(event: EventContract) -> range:
    """How many of the named arguments an event may come with."""
    required = 0
    for number, argument in enumerate(event.arguments, 1):
        if argument.required:
            required = number
    return range(required, len(event.arguments) + 1)
