"""The document of a contract: read again it is the same one."""

from __future__ import annotations

import json

import pytest

from sockwave.contract.description import (
    Argument,
    Contract,
    EventContract,
    NamespaceContract,
    from_document,
    to_document,
)

CONTRACT = Contract(
    title="Shop",
    version="1.2.0",
    path="/live",
    description="Orders, as they come.",
    models={"Order": {"type": "object", "properties": {"count": {"type": "integer"}}}},
    namespaces=(
        NamespaceContract(
            name="/org/{org_id}",
            parameters={"org_id": {"type": "integer"}},
            auth={"type": "object"},
            incoming=(
                EventContract(
                    name="place",
                    arguments=(
                        Argument("order", {"$ref": "#/models/Order"}),
                        Argument("note", {"type": "string"}, required=False),
                    ),
                    rest={},
                    answer=({"type": "integer"},),
                    description="Place an order.",
                ),
            ),
            outgoing=(EventContract(name="moved", answer=()),),
        ),
    ),
)


def test_what_was_written_is_read_again() -> None:
    assert from_document(json.loads(json.dumps(to_document(CONTRACT)))) == CONTRACT


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([], "no contract"),
        ({}, "no contract"),
        ({"sockwave": 2}, "has form 2"),
        ({"sockwave": 1}, "lacks something"),
        ({**to_document(CONTRACT), "namespaces": []}, "lacks something"),
        ({**to_document(CONTRACT), "models": {"Item": 5}}, "changed by hand: 5 is no schema"),
    ],
)
def test_what_is_none_is_refused(document: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        from_document(document)
