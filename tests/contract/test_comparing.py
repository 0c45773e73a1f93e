"""What a newer contract breaks for clients of the older one, and what it does not."""

from dataclasses import replace
from typing import Annotated, Any, Literal

import pydantic
import pytest

from sockwave import Server
from sockwave.contract import (
    Argument,
    Contract,
    EventContract,
    NamespaceContract,
    compare,
    describe,
    to_asyncapi,
)
from tests.contract import shop

TEXT = {"type": "string"}
NUMBER = {"type": "integer"}
NULL = {"type": "null"}
BYTES = {"type": "string", "format": "binary"}


def contract(*, models: Any = None, **namespace: Any) -> Contract:
    """One with a namespace."""
    made = NamespaceContract(name="/", **namespace)
    return Contract("Shop", "1", models=models or {}, namespaces=(made,))


def event(*schemas: Any, **more: Any) -> tuple[EventContract, ...]:
    """The event `it` with such arguments."""
    arguments = tuple(
        each if isinstance(each, Argument) else Argument(f"a{at}", each)
        for at, each in enumerate(schemas, 1)
    )
    return (EventContract("it", arguments=arguments, **more),)


def told(old: Contract, new: Contract) -> list[str]:
    return [str(each) for each in compare(old, new)]


def struct(required: list[str], **properties: Any) -> Any:
    return {"type": "object", "properties": properties, "required": required}


def test_the_same_contract_changes_nothing() -> None:
    shop_contract = describe(shop.make_server())

    assert compare(shop_contract, describe(shop.make_server())) == []


def test_namespaces_and_events_come_and_go() -> None:
    old = Contract("", "", namespaces=(NamespaceContract("/a", incoming=event()),))
    new = Contract(
        "",
        "",
        path="/live",
        namespaces=(NamespaceContract("/a", outgoing=event()), NamespaceContract("/b")),
    )

    assert told(old, new) == [
        "breaking: path: it was /socket.io and is /live",
        "breaking: /a it: clients may not send it any more",
        "compatible: /a it (from the server): the server sends it",
        "compatible: /b: the namespace is new",
    ]
    assert told(new, old) == [
        "breaking: path: it was /live and is /socket.io",
        "breaking: /a it (from the server): the server does not send it any more",
        "breaking: /b: the namespace is gone",
        "compatible: /a it: clients may send it",
    ]


WAYS: list[tuple[Any, bool]] = [("incoming", True), ("outgoing", False)]

NARROWER_AND_WIDER = [
    (TEXT, {"anyOf": [TEXT, NULL]}),
    (NUMBER, {"type": "number"}),
    ({"enum": ["a"]}, {"enum": ["a", "b"]}),
    ({"enum": ["a", None]}, {"anyOf": [TEXT, NULL]}),
    ({"enum": ["ab"]}, {"type": "string", "maxLength": 2}),
    ({"type": "number", "minimum": 1}, {"type": "number", "exclusiveMinimum": 0}),
    ({"type": "integer", "minimum": 2}, {"type": "integer", "exclusiveMinimum": 0}),
    ({"type": "string", "maxLength": 2}, {"type": "string", "maxLength": 3}),
    ({"type": "string", "pattern": "^a$"}, TEXT),
    (BYTES, {"anyOf": [TEXT, BYTES]}),
    ({"type": "array", "items": NUMBER}, {"type": "array", "items": {}}),
    ({"type": "array", "items": NUMBER, "maxItems": 2}, {"type": "array", "items": NUMBER}),
    (struct(["a"], a=NUMBER), struct([], a=NUMBER)),
    (struct(["a"], a=NUMBER), struct(["a"], a={"type": "number"})),
    ({**struct([], a=NUMBER), "additionalProperties": False}, struct([], a=NUMBER)),
    (
        {"type": "object", "additionalProperties": NUMBER},
        {"type": "object", "additionalProperties": {}},
    ),
    (
        {"type": "array", "prefixItems": [NUMBER], "minItems": 1, "maxItems": 1},
        {"type": "array", "prefixItems": [NUMBER, TEXT], "minItems": 1, "maxItems": 2},
    ),
    (TEXT, {}),
]


@pytest.mark.parametrize(("narrow", "wide"), NARROWER_AND_WIDER)
def test_what_comes_in_may_get_wider_and_what_goes_out_narrower(narrow: Any, wide: Any) -> None:
    for way, is_in in WAYS:
        old, new = contract(**{way: event(narrow)}), contract(**{way: event(wide)})
        assert [each.is_breaking for each in compare(old, new)] == [not is_in]
        assert [each.is_breaking for each in compare(new, old)] == [is_in]


@pytest.mark.parametrize(("narrow", "wide"), NARROWER_AND_WIDER)
def test_answers_go_the_other_way(narrow: Any, wide: Any) -> None:
    for way, is_in in WAYS:
        old = contract(**{way: event(answer=(narrow,))})
        new = contract(**{way: event(answer=(wide,))})
        assert [each.is_breaking for each in compare(old, new)] == [is_in]
        assert [each.is_breaking for each in compare(new, old)] == [not is_in]


@pytest.mark.parametrize(
    ("first", "second"),
    [(TEXT, NUMBER), (TEXT, BYTES), ({"enum": [1]}, {"enum": [True]}), (NULL, TEXT)],
)
def test_another_type_breaks_in_each_direction(first: Any, second: Any) -> None:
    for way, _ in WAYS:
        changes = compare(contract(**{way: event(first)}), contract(**{way: event(second)}))
        assert [each.is_breaking for each in changes] == [True]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"type": "integer", "minimum": 1}, {"type": "integer", "exclusiveMinimum": 0}),
        ({"type": "integer", "maximum": 1}, {"type": "integer", "exclusiveMaximum": 2}),
        ({"type": "boolean"}, {"enum": [True, False]}),
    ],
)
def test_same_values_written_in_another_way_change_nothing(first: Any, second: Any) -> None:
    for way, _ in WAYS:
        assert told(contract(**{way: event(first)}), contract(**{way: event(second)})) == []
        assert told(contract(**{way: event(second)}), contract(**{way: event(first)})) == []


def test_parts_of_a_name_count_as_sent() -> None:
    def of(schema: Any) -> Contract:
        namespace = NamespaceContract("/org/{id}", parameters={"id": schema})
        return Contract("", "", namespaces=(namespace,))

    assert told(of(TEXT), of(NUMBER)) == [
        "breaking: /org/{id} {id}: what clients send: string where integer is wanted"
    ]
    assert told(of(NUMBER), of(TEXT)) == ["compatible: /org/{id} {id}: more is admitted"]
    assert told(of(NUMBER), of(NUMBER)) == []


def test_answer_that_was_empty_may_get_a_value() -> None:
    def of(answer: tuple[Any, ...], way: str) -> Contract:
        return contract(**{way: event(answer=answer)})

    assert told(of((), "incoming"), of((TEXT,), "incoming")) == [
        "compatible: / it answer: there is a value now"
    ]
    assert told(of((TEXT,), "incoming"), of((), "incoming"))[0].startswith("breaking")
    assert told(of((), "outgoing"), of((TEXT,), "outgoing"))[0].startswith("breaking")


def test_argument_becomes_required_or_may_be_left_out() -> None:
    needed, free = event(Argument("n", NUMBER)), event(Argument("n", NUMBER, required=False))

    assert told(contract(incoming=free), contract(incoming=needed)) == [
        "breaking: / it argument 1 (n): it may not be left out any more"
    ]
    assert told(contract(incoming=needed), contract(incoming=free)) == [
        "compatible: / it argument 1 (n): it may be left out"
    ]
    assert told(contract(outgoing=needed), contract(outgoing=free)) == [
        "breaking: / it (from the server) argument 1 (n): it may be left out"
    ]


def test_argument_comes_or_goes() -> None:
    none, one = contract(incoming=event()), contract(incoming=event(TEXT))
    free = contract(incoming=event(Argument("n", TEXT, required=False)))
    rest = contract(incoming=event(rest=TEXT))

    assert told(none, one) == ["breaking: / it argument 1 (a1): it is new and may not be left out"]
    assert told(none, free) == ["compatible: / it argument 1 (n): it is new"]
    assert told(one, none) == ["breaking: / it argument 1 (a1): it is gone"]
    assert [each.is_breaking for each in compare(one, rest)] == [False]
    assert [each.is_breaking for each in compare(rest, none)] == [True]


def test_place_says_where_inside() -> None:
    def of(*required: str) -> Any:
        item = struct(list(required), name=TEXT, price=TEXT)
        models = {"Item": item}
        items = {"type": "array", "items": {"$ref": "#/models/Item"}}
        return contract(models=models, incoming=event(items))

    assert told(of("name"), of("name", "price")) == [
        (
            "breaking: / it argument 1 (a1) $[...].price: what clients send: "
            "it is required, and may be missing"
        )
    ]


def test_class_that_has_itself_inside_is_compared() -> None:
    def of(name: Any) -> Contract:
        node = struct(["name"], name=name, more={"type": "array", "items": {"$ref": "#/models/N"}})
        return contract(models={"N": node}, incoming=event({"$ref": "#/models/N"}))

    assert told(of(TEXT), of(TEXT)) == []
    assert told(of(TEXT), of(NUMBER)) == [
        "breaking: / it argument 1 (a1) $.name: what clients send: string where integer is wanted"
    ]


def test_names_of_classes_and_descriptions_are_no_matter() -> None:
    def of(name: str) -> Contract:
        models = {name: {**struct(["a"], a=TEXT), "title": name, "description": name}}
        return contract(models=models, incoming=event({"$ref": f"#/models/{name}"}))

    assert told(of("A"), of("B")) == []


def test_auth_counts_as_sent() -> None:
    login = struct(["token"], token=TEXT)

    assert told(contract(), contract(auth=login))[0].startswith("breaking: / auth")
    assert told(contract(auth=login), contract())[0].startswith("compatible: / auth")


def test_contract_that_lacks_a_model_is_refused() -> None:
    whole = contract(incoming=event({"$ref": "#/models/Item"}), models={"Item": TEXT})

    with pytest.raises(ValueError, match="not there"):
        compare(whole, replace(whole, models={}))


def test_models_of_pydantic_are_compared() -> None:
    class Cat(pydantic.BaseModel):
        kind: Literal["cat"]
        more: dict[str, Any] = {}

    class Dog(pydantic.BaseModel):
        kind: Literal["dog"]
        age: int | None = None

    class Owner(pydantic.BaseModel):
        pet: Annotated[Cat | Dog, pydantic.Field(discriminator="kind")]

    class NarrowOwner(pydantic.BaseModel):
        pet: Cat

    def of(owner: Any) -> Contract:
        io = Server()

        def take(socket, owner):  # type: ignore[no-untyped-def]
            pass

        take.__annotations__["owner"] = owner
        io.event(take)
        return describe(io)

    assert compare(of(Owner), of(Owner)) == []
    assert [each.is_breaking for each in compare(of(NarrowOwner), of(Owner))] == [False]
    assert [each.is_breaking for each in compare(of(Owner), of(NarrowOwner))] == [True]
    document = to_asyncapi(of(Owner))
    assert "discriminator" not in document["components"]["schemas"]["Owner"]["properties"]["pet"]
