"""A contract as AsyncAPI; interop/ has the parser of its makers read it."""

from typing import Any

import jsonschema  # type: ignore[import-untyped] # of a tool's
import pytest

from sockwave.contract import (
    Argument,
    Contract,
    EventContract,
    NamespaceContract,
    describe,
    to_asyncapi,
)
from tests.contract import shop

DOCUMENT = to_asyncapi(describe(shop.make_server(), title="Shop", version="1.2.0"))


def of_one(event: EventContract) -> Any:
    """The document of a contract with one incoming event."""
    namespace = NamespaceContract(name="/", incoming=(event,))
    return to_asyncapi(Contract("Shop", "1", namespaces=(namespace,)))


def payload(document: Any, message: str, channel: str = "main") -> Any:
    """A schema that can be used, with what it refers to."""
    return {
        **document["channels"][channel]["messages"][message]["payload"],
        "components": document["components"],
    }


def admits(schema: Any, value: Any) -> bool:
    return bool(jsonschema.Draft7Validator(schema).is_valid(value))


def test_channels_are_namespaces() -> None:
    found = {key: each["address"] for key, each in DOCUMENT["channels"].items()}

    assert found == {
        "main": "/",
        "cart": "/cart",
        "chat": "/chat",
        "org_org_id_board": "/org/{org_id}/board",
    }
    assert list(DOCUMENT["channels"]["org_org_id_board"]["parameters"]) == ["org_id"]


def test_operation_says_what_is_sent_and_answered() -> None:
    operation = DOCUMENT["operations"]["main.receive_place"]

    assert operation == {
        "action": "receive",
        "channel": {"$ref": "#/channels/main"},
        "title": "place",
        "messages": [{"$ref": "#/channels/main/messages/receive_place"}],
        "summary": "Place an order.",
        "description": "Place an order.\n\nIt is answered with what was placed.",
        "security": [{"$ref": "#/components/securitySchemes/auth"}],
        "reply": {
            "channel": {"$ref": "#/channels/main"},
            "messages": [{"$ref": "#/channels/main/messages/answer_place"}],
        },
    }
    assert "reply" not in DOCUMENT["operations"]["main.receive_untyped"]


ID = "6e5a0b0e-3c4f-4a63-8f8b-0a1b2c3d4e5f"
TEA = {"name": "tea", "price": "2.50"}


@pytest.mark.parametrize(
    ("arguments", "is_right"),
    [
        ([ID, [TEA]], True),
        ([ID, [TEA], None], True),
        ([ID, [TEA], "soon", 1, 2], True),
        ([ID], False),
        ([ID, [{"name": "tea"}]], False),
        ([ID, [{**TEA, "count": 0}]], False),
        ([ID, [TEA], 5], False),
        ([ID, [TEA], "soon", "1"], False),
    ],
)
def test_payload_is_the_array_of_the_arguments(arguments: Any, is_right: bool) -> None:
    assert admits(payload(DOCUMENT, "receive_place"), arguments) is is_right


def test_answer_may_be_a_failure() -> None:
    schema = payload(DOCUMENT, "answer_place")

    assert admits(schema, [{"items": [TEA]}])
    assert admits(schema, [{"error": "validation"}])
    assert not admits(schema, [{"items": [1]}])


def test_examples_are_what_the_payload_admits() -> None:
    for key, channel in DOCUMENT["channels"].items():
        for name, message in channel["messages"].items():
            schema = payload(DOCUMENT, name, key)
            jsonschema.Draft7Validator(schema).validate(message["examples"][0]["payload"])


def test_names_that_are_no_keys_get_some_and_each_its_own() -> None:
    namespace = NamespaceContract(
        name="/", incoming=(EventContract("a b"), EventContract("a-b"), EventContract("a_b"))
    )
    document = to_asyncapi(Contract("Shop", "1", namespaces=(namespace,)))

    assert list(document["operations"]) == [
        "main.receive_a_b",
        "main.receive_a-b",
        "main.receive_a_b_2",
    ]


def test_pattern_is_no_address() -> None:
    namespace = NamespaceContract(name=r"/room-(?P<room>\d+)", parameters={"room": {}})
    document = to_asyncapi(Contract("Shop", "1", namespaces=(namespace,)))

    (channel,) = document["channels"].values()
    assert channel["address"] is None
    assert "parameters" not in channel


def test_argument_that_refers_to_a_class_keeps_its_name() -> None:
    event = EventContract("it", arguments=(Argument("item", {"$ref": "#/models/Item"}),))

    (item,) = of_one(event)["channels"]["main"]["messages"]["receive_it"]["payload"]["items"]

    assert item == {"title": "item", "allOf": [{"$ref": "#/components/schemas/Item"}]}


def test_failure_of_the_application_does_not_hide_ours() -> None:
    contract = Contract("Shop", "1", models={"EventFailure": {"type": "string"}})

    assert list(to_asyncapi(contract)["components"]["schemas"]) == [
        "EventFailure",
        "SocketEventFailure",
    ]
