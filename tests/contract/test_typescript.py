"""What is written as TypeScript, case by case; `interop/test_typescript.py` compiles it."""

from __future__ import annotations

from typing import Any

import pytest

from sockwave.contract.description import Argument, Contract, EventContract, NamespaceContract
from sockwave.contract.typescript import to_typescript
from tests.support.contracts import EVERYTHING, of_model

TYPES: list[tuple[Any, str]] = [
    ({}, "unknown"),
    ({"type": "string"}, "string"),
    ({"type": "null"}, "null"),
    ({"type": ["integer", "null"]}, "number | null"),
    ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string | null"),
    ({"oneOf": [{"type": "string"}, {}]}, "unknown"),
    ({"enum": ["a", 1, None, True, 1.5]}, '"a" | 1 | null | true | 1.5'),
    ({"enum": [2**60]}, "number"),
    ({"const": {"a": [1, "x"]}}, '{ a: [1, "x"] }'),
    ({"type": "array", "items": {"type": ["string", "null"]}}, "(string | null)[]"),
    ({"type": "array", "items": {"enum": ["a | b"]}}, '"a | b"[]'),
    ({"type": "array"}, "unknown[]"),
    (
        {"type": "array", "prefixItems": [{"type": "string"}, {"type": "null"}], "minItems": 1},
        "[string, null?, ...unknown[]]",
    ),
    (
        {"type": "array", "prefixItems": [{"type": "string"}], "items": False, "minItems": 1},
        "[string]",
    ),
    ({"type": "object", "additionalProperties": {"type": "null"}}, "{ [key: string]: null }"),
    ({"type": "object"}, "{ [key: string]: unknown }"),
    ({"properties": {"a": {"type": "string"}}}, "unknown"),
    ({"allOf": [{"$ref": "#/models/M"}], "type": "object"}, "M"),
    ({"$ref": "#/models/nobody"}, "unknown"),
    ({"$ref": "elsewhere.json"}, "unknown"),
]


@pytest.mark.parametrize(("schema", "type_"), TYPES)
def test_type_of_a_schema(schema: Any, type_: str) -> None:
    assert f"export type M = {type_};" in to_typescript(of_model(schema))


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"type": "integer"}, "whole numbers"),
        ({"type": "number", "minimum": 1, "exclusiveMaximum": 2}, "at least 1, less than 2"),
        ({"type": "string", "pattern": "^*/$"}, "pattern ^*\\/$"),
        ({"type": "string", "format": "uuid"}, "format uuid"),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 3}, "items at most 3; []"),
        ({"anyOf": [{"type": "null"}, {"type": "string", "maxLength": 5}]}, "length at most 5"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, "[key] whole numbers"),
        ({"type": "object", "propertyNames": {"pattern": "x"}}, 'keys as {"pattern": "x"}'),
        ({"type": "string", "not": {"const": "x"}}, 'none as {"const": "x"}'),
    ],
)
def test_comment_says_where_a_type_is_wider(schema: Any, says: str) -> None:
    line = to_typescript(of_model(schema)).split("\n\n")[1].splitlines()[0]
    assert line.startswith("/** Wider than the contract, which says: ") and says in line


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        {"type": "string", "format": "binary"},
        {"enum": [1, 2], "type": "integer"},
        {"type": "array", "prefixItems": [{}], "items": False, "minItems": 1, "maxItems": 1},
    ],
)
def test_type_that_says_it_all_has_no_comment(schema: Any) -> None:
    assert "Wider" not in to_typescript(of_model(schema))


def test_a_model_with_bytes_takes_their_type_and_events_give_it() -> None:
    text = to_typescript(EVERYTHING)
    assert "export interface Photo<Bytes = SentBytes> {\n  data: Bytes;" in text
    assert "  next?: Photo<Bytes> | null;" in text
    answer = "(answer: Photo<ReceivedBytes> | EventFailure) => void"
    assert f"  upload: (photo: Photo<SentBytes>, ack: {answer}) => void;" in text
    assert "  picture: (photo: Photo<ReceivedBytes>) => void;" in text
    assert "SentBytes" not in to_typescript(of_model({"type": "string"}))


def test_an_event_that_answers_has_an_acknowledgement_and_one_that_does_not_may() -> None:
    text = to_typescript(EVERYTHING)
    assert "  place: (order: Order, ack: (answer: Placed | EventFailure) => void) => void;" in text
    assert '  emit(event: "place", order: Order): this;' in text
    assert "| [on: boolean]\n" in text
    assert "| [on: boolean, ack: (failure?: EventFailure) => void]\n" in text
    assert 'emit(event: "typing"' not in text


def test_descriptions_are_comments_that_end_where_they_end() -> None:
    text = to_typescript(EVERYTHING)
    assert "   * Place an order.\n   *\n   * It is brought at once.\n" in text
    assert "/** What one wants. */\nexport interface Order {" in text
    assert ' * Orders, as they come. *\\/ """' in text


def test_namespaces_have_a_prefix_and_no_two_the_same() -> None:
    heard = (EventContract("x", (Argument("y", {}),)),)
    names = ("/", "/a-b", "/aB", "/org/{id}")
    contract = Contract(
        "T", "1", namespaces=tuple(NamespaceContract(each, outgoing=heard) for each in names)
    )
    text = to_typescript(contract)
    for prefix in ("", "AB", "AB2", "OrgId"):
        assert f"export interface {prefix}ServerToClientEvents {{" in text


def test_the_same_contract_gives_the_same_text() -> None:
    assert to_typescript(EVERYTHING) == to_typescript(EVERYTHING)
