"""TypeScript that is written of contracts compiles against the stock client, and is not narrow."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from interop.compiler import add_client, compiled, problems
from scripts.node import INTEROP
from sockwave.contract import describe
from sockwave.contract.description import Argument, Contract, EventContract, NamespaceContract
from sockwave.contract.typescript import to_typescript
from tests.contract import shop
from tests.support.contracts import EVERYTHING, of_model
from tests.support.documents import blocks

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.interop

EXAMPLE: Final = INTEROP.parent / "examples" / "contract"


@pytest.mark.parametrize("is_exact", [False, True])
def test_stock_client_has_the_types_and_refuses_what_is_wrong(
    tmp_path: Path, is_exact: bool
) -> None:
    (tmp_path / "events.ts").write_text(to_typescript(EVERYTHING))
    (tmp_path / "use.ts").write_text((INTEROP / "everything.ts").read_text())
    found = problems(
        tmp_path,
        *("events.ts", "use.ts"),
        exactOptionalPropertyTypes=is_exact,
        noUncheckedIndexedAccess=is_exact,
        isolatedModules=is_exact,
        erasableSyntaxOnly=is_exact,
    )
    assert not found


def test_client_of_the_example_compiles(tmp_path: Path) -> None:
    for file in ("client.ts", "events.ts"):
        (tmp_path / file).write_text((EXAMPLE / file).read_text())
    (tmp_path / "package.json").write_text('{"type": "module"}')
    assert not problems(tmp_path, "client.ts")


@pytest.mark.parametrize("has_slips", [False, True])
def test_page_of_the_example_compiles_unless_it_has_slips(tmp_path: Path, has_slips: bool) -> None:
    slips = {
        'on("brewed"': 'on("boiled"',
        "wish);": "wish.tea);",
        "placed.minutes": "placed.hours",
    }
    text = (EXAMPLE / "page.js").read_text()
    for now, then in slips.items() if has_slips else ():
        assert now in text
        text = text.replace(now, then)
    (tmp_path / "page.js").write_text(text)
    (tmp_path / "events.ts").write_text((EXAMPLE / "events.ts").read_text())
    (config,) = blocks("contract-clients.md", "json")
    (tmp_path / "tsconfig.json").write_text(config)
    add_client(tmp_path)
    said = compiled(tmp_path)
    lines = [text[: text.index(slip)].count("\n") + 1 for slip in slips.values() if slip in text]
    assert bool(said) is has_slips
    assert [line for line in lines if f"page.js({line}," not in said] == []


def test_types_of_a_server_with_all_sorts_of_annotations_compile(tmp_path: Path) -> None:
    contract = describe(shop.make_server(), title="Shop", version="1.2.0")
    assert len(contract.namespaces) > 2
    (tmp_path / "events.ts").write_text(to_typescript(contract))
    assert not problems(tmp_path, "events.ts")


def test_types_need_no_types_of_a_browser(tmp_path: Path) -> None:
    (tmp_path / "events.ts").write_text(to_typescript(EVERYTHING))
    assert not problems(tmp_path, "events.ts", lib=["es2022"])


def test_names_that_the_language_has_are_given_others(tmp_path: Path) -> None:
    awkward = ("class", "string", "SentBytes", "EventFailure", "Page[int]", "Page_int", "Promise")
    contract = Contract(
        title="*/ `x`",
        version="1",
        models={name: {"type": "object", "properties": {"a": {}, "*/": {}}} for name in awkward},
        namespaces=tuple(
            NamespaceContract(
                name,
                auth={},
                incoming=(
                    EventContract(
                        'say "*/"',
                        tuple(Argument(each, {}) for each in ("ack", "ack", "class", "a-b", "1")),
                        rest={"type": "string"},
                        answer=({"$ref": "#/models/class"},),
                        description="*/ };",
                    ),
                ),
            )
            for name in ("/", "/a", "/A", "/{a}", "/1", "/-")
        ),
    )
    (tmp_path / "events.ts").write_text(to_typescript(contract))
    assert not problems(tmp_path, "events.ts")


# --- never narrower than the schema ---------------------------------------------------------------


class Bytes:
    """Stands for bytes among values."""


def draw_schema(rng: random.Random, depth: int = 3) -> dict[str, Any]:
    """A schema as annotations of handlers give them."""
    leaves: list[dict[str, Any]] = [
        {"type": "integer", "minimum": 3},
        {"type": "number"},
        {"type": "string", "format": "date-time"},
        {"type": "boolean"},
        {"type": "null"},
        {"type": "string", "format": "binary"},
        {"enum": ["a | b", 'c"; d', "", None, 5, True, "}"]},
        {"const": {"kind": ["x", 1]}},
        {"type": ["string", "null"]},
        {},
    ]
    if depth == 0 or rng.random() < 0.3:
        return rng.choice(leaves)
    parts = [draw_schema(rng, depth - 1) for _ in range(rng.randint(1, 3))]
    names = rng.sample(["plain", "not-plain", "class", "", 'quo"te', "1", "a b"], len(parts))
    least = rng.randint(0, len(parts))
    return rng.choice(
        [
            {"anyOf": parts},
            {"type": "array", "items": parts[0]},
            {"type": "array", "prefixItems": parts, "items": False, "minItems": least},
            {"type": "array", "prefixItems": parts, "minItems": least},
            {"type": "object", "additionalProperties": parts[0]},
            {
                "type": "object",
                "properties": dict(zip(names, parts, strict=True)),
                "required": names[:least],
                **rng.choice([{}, {"additionalProperties": False}, {"additionalProperties": {}}]),
            },
            {"allOf": [parts[0], {}]},
        ]
    )


def draw_value(rng: random.Random, schema: dict[str, Any]) -> Any:
    """A value that the schema admits."""
    if "anyOf" in schema:
        return draw_value(rng, rng.choice(schema["anyOf"]))
    if "allOf" in schema:
        return draw_value(rng, schema["allOf"][0])
    if "enum" in schema:
        return rng.choice(schema["enum"])
    if "const" in schema:
        return schema["const"]
    kind = schema.get("type", rng.choice(["integer", "null", "string"]))
    if isinstance(kind, list):
        kind = rng.choice(kind)
    if schema.get("format") == "binary":
        return Bytes()
    if kind == "array" and "prefixItems" in schema:
        prefix = schema["prefixItems"]
        taken = prefix[: rng.randint(schema["minItems"], len(prefix))]
        more: list[dict[str, Any]] = (
            [{}, {}] if "items" not in schema and len(taken) == len(prefix) else []
        )
        return [draw_value(rng, each) for each in (*taken, *more)]
    if kind == "array":
        return [draw_value(rng, schema["items"]) for _ in range(rng.randint(0, 2))]
    if kind == "object" and "properties" in schema:
        required = schema["required"]
        value = {
            name: draw_value(rng, each)
            for name, each in schema["properties"].items()
            if name in required or rng.random() < 0.5
        }
        return value | ({"more": 1} if schema.get("additionalProperties") == {} else {})
    if kind == "object":
        return {name: draw_value(rng, schema["additionalProperties"]) for name in ("a", "b c")}
    return {"integer": 3, "number": 1.5, "string": "x", "boolean": True, "null": None}[kind]


def written(value: Any) -> str:
    """A value in TypeScript."""
    if isinstance(value, Bytes):
        return "new Uint8Array([1])"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(n)}: {written(v)}' for n, v in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    return json.dumps(value)


def test_every_value_that_a_schema_admits_has_its_type(tmp_path: Path) -> None:
    rng = random.Random(15)
    models = {f"M{number}": draw_schema(rng) for number in range(400)}
    values = [
        f"export const v{name}n{number}: events.{name} = {written(draw_value(rng, schema))};"
        for name, schema in models.items()
        for number in range(4)
    ]
    text = to_typescript(replace(of_model({}), models=models))
    (tmp_path / "events.ts").write_text(text)
    (tmp_path / "values.ts").write_text(
        "\n".join(['import type * as events from "./events.js";', *values])
    )
    assert not problems(tmp_path, "events.ts", "values.ts", exactOptionalPropertyTypes=True)


def test_a_value_of_another_type_has_not(tmp_path: Path) -> None:
    contract = of_model({"type": "array", "items": {"type": "string"}})
    (tmp_path / "events.ts").write_text(to_typescript(contract))
    (tmp_path / "values.ts").write_text(
        'import type { M } from "./events.js";\nexport const value: M = [1];'
    )
    assert "TS2322" in problems(tmp_path, "values.ts")
