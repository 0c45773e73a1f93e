"""What is found out from a server."""

import re
from typing import Annotated, Any

import msgspec

from sockwave import Ack, Event, Events, Handlers, Router, Server, Socket
from sockwave.contract import Contract, EventContract, describe, to_document
from tests.contract import shop

CONTRACT = describe(shop.make_server(), title="Shop", version="1.2.0")


def event(name: str, namespace: str = "/", contract: Contract = CONTRACT) -> EventContract:
    """An incoming one."""
    found = next(each for each in contract.namespaces if each.name == namespace)
    return next(each for each in found.incoming if each.name == name)


def argument(annotation: Any) -> Any:
    """The schema of the argument of a handler."""
    io = Server()

    def handler(socket, it):  # type: ignore[no-untyped-def]
        pass

    handler.__annotations__["it"] = annotation
    io.event("it", validate=False)(handler)
    return event("it", contract=describe(io)).arguments[0].schema


def test_all_namespaces_and_events_are_there() -> None:
    found = {each.name: [one.name for one in each.incoming] for each in CONTRACT.namespaces}

    assert found == {
        "/": ["move", "place", "send", "tell", "untyped"],
        "/cart": ["add"],
        "/chat": ["chat line"],
        "/org/{org_id}/board": ["line:draw"],
    }


def test_parts_of_a_name_are_parameters() -> None:
    board = CONTRACT.namespaces[-1]

    assert board.parameters == {"org_id": {"type": "string"}}


def test_pattern_of_the_application_stands_for_itself() -> None:
    io = Server()
    io.of(re.compile(r"/room-(?P<room>\d+)"))

    @io.of(lambda name, auth: True).event
    def ping(socket: Socket) -> None:
        """Say that somebody is there."""

    found = {each.name: each.parameters for each in describe(io).namespaces}

    assert found == {
        "/": {},
        r"/room-(?P<room>\d+)": {"room": {"type": "string"}},
        "/{lambda}": {"lambda": {"type": "string"}},
    }


def test_event_has_arguments_rest_answer_and_docstring() -> None:
    place = event("place")

    assert [(each.name, each.schema, each.required) for each in place.arguments] == [
        ("id", {"type": "string", "format": "uuid"}, True),
        ("items", {"type": "array", "items": {"$ref": "#/models/Item"}}, True),
        ("note", {"type": "string"}, False),
    ]
    assert place.rest == {"type": "integer"}
    assert place.answer == ({"$ref": "#/models/Page_Item"},)
    assert place.description == "Place an order.\n\nIt is answered with what was placed."
    assert "shop.py" in place.place


def test_answer_of_a_tuple_is_several_and_of_none_is_empty() -> None:
    assert event("move").answer == ({"type": "integer"}, {"type": "string", "format": "binary"})
    assert event("tell").answer == ()
    assert event("send").answer == ({},)
    assert event("untyped").answer is None


def test_handler_without_annotations_has_names() -> None:
    untyped = event("untyped")

    assert [(each.name, each.schema, each.required) for each in untyped.arguments] == [
        ("a", {}, True),
        ("b", {}, False),
    ]


def test_methods_of_classes_are_described_without_self_and_socket() -> None:
    add, line = event("add", "/cart"), event("chat line", "/chat")

    assert [each.name for each in add.arguments] == ["item"]
    assert add.description == "Put an item in."
    assert [(each.name, each.schema) for each in line.arguments] == [("text", {"type": "string"})]


def test_what_the_server_fills_in_is_no_argument() -> None:
    assert [each.name for each in event("tell").arguments] == ["what"]


def test_classes_are_models_with_their_docstrings() -> None:
    item = CONTRACT.models["Item"]

    assert item == {
        "title": "Item",
        "description": "One line of an order.",
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "price": {"type": "string", "format": "decimal"},
            "count": {
                "type": "integer",
                "exclusiveMinimum": 0,
                "description": "How many.",
                "default": 1,
            },
            "color": {"$ref": "#/models/Color", "default": "red"},
            "parts": {"type": "array", "items": {"$ref": "#/models/Item"}, "default": []},
        },
        "required": ["name", "price"],
    }
    assert "description" not in CONTRACT.models["Point"]  # the generated one says nothing
    assert CONTRACT.models["Color"]["enum"] == ["red", "blue"]


def test_models_of_pydantic_speak_for_themselves() -> None:
    assert CONTRACT.models["Address"] == {
        "title": "Address",
        "description": "Where it goes.",
        "type": "object",
        "properties": {
            "street": {"type": "string"},
            "zip": {"type": "string", "minLength": 3},
        },
        "required": ["street", "zip"],
    }
    assert event("send").arguments[0].schema == {"$ref": "#/models/Address"}


def test_auth_is_that_of_a_middleware() -> None:
    main = CONTRACT.namespaces[0]

    assert main.auth == {"$ref": "#/models/Login"}
    assert CONTRACT.models["Login"]["additionalProperties"] is False
    assert CONTRACT.namespaces[1].auth is None


def test_two_classes_of_one_name_have_their_modules_in_front() -> None:
    def made(module: str) -> Any:
        return msgspec.defstruct("Item", [("name", str)], module=module)

    io = Server(validation_event=None)

    def handler(socket, a, b):  # type: ignore[no-untyped-def]
        pass

    handler.__annotations__.update(a=made("shop.orders"), b=made("shop.stock"))
    io.event("it")(handler)
    contract = describe(io)

    assert [each.schema for each in event("it", contract=contract).arguments] == [
        {"$ref": "#/models/shop_orders_Item"},
        {"$ref": "#/models/shop_stock_Item"},
    ]
    assert list(contract.models) == ["shop_orders_Item", "shop_stock_Item"]


def test_handler_that_is_not_checked_may_say_anything() -> None:
    class Own:
        """Of which nobody knows how it comes."""

    assert argument(Own) == {}
    assert argument("Nowhere") == {}


def test_several_handlers_are_described_by_the_one_with_annotations() -> None:
    io = Server()
    io.event("it")(lambda socket, a: None)

    @io.event("it")
    def it(socket: Socket, number: int) -> int:
        return number

    assert [each.name for each in event("it", contract=describe(io)).arguments] == ["number"]


def test_the_same_server_gives_the_same_document() -> None:
    again = describe(shop.make_server(), title="Shop", version="1.2.0")

    assert to_document(again) == to_document(CONTRACT)
    assert list(again.models) == sorted(again.models)


def test_class_with_types_in_brackets_has_them_in_its_name() -> None:
    pages = [shop.Page[int | None], shop.Page[list[str]], shop.Page[shop.Opened]]

    assert [argument(each) for each in pages] == [
        {"$ref": "#/models/Page_int_or_None"},
        {"$ref": "#/models/Page_list_str"},
        {"$ref": "#/models/Page_Opened"},
    ]


def test_first_parameter_that_is_no_socket_is_an_argument() -> None:
    io = Server()

    @io.event
    def place(count: int, socket: Socket, note: str = "") -> int:
        return count

    class Cart(Handlers, namespace="/cart"):
        def add(self, item: str, ack: Ack) -> None:
            ack(item)

    io.include(Cart)
    contract = describe(io)

    assert [each.name for each in event("place", contract=contract).arguments] == ["count", "note"]
    assert [each.name for each in event("add", "/cart", contract).arguments] == ["item"]


def test_nothing_is_said_of_what_a_handler_acknowledges_itself() -> None:
    io = Server()

    @io.event
    def render(socket: Socket, film: str, *, ack: Ack) -> None:
        ack(film)

    assert event("render", contract=describe(io)).answer is None


def outgoing(server: Server) -> dict[str, list[EventContract]]:
    """By namespace."""
    return {each.name: list(each.outgoing) for each in describe(server).namespaces}


def test_event_of_what_is_refused_is_sent_where_something_is_checked() -> None:
    def made(**options: Any) -> Server:
        io = Server(**options)

        @io.event
        def place(socket: Socket, count: int) -> None: ...

        @io.of("/untyped").event
        def anything(socket, count):  # type: ignore[no-untyped-def]
            pass

        return io

    io = made(validation_event="invalid")
    (refused,) = outgoing(io)["/"]
    assert refused.name == "invalid"
    assert refused.arguments[0].schema == {"$ref": "#/models/RefusedEvent"}
    properties = describe(io).models["RefusedEvent"]["properties"]
    assert list(properties) == ["error", "event", "path", "reason"]
    assert outgoing(io)["/untyped"] == []
    assert [each.name for each in outgoing(made())["/"]] == ["error"]
    assert outgoing(made(validation_event=None))["/"] == []
    assert outgoing(made(validate=False))["/"] == []


def test_declaration_of_the_application_counts_before_that_of_refused_events() -> None:
    class Sent(Events):
        error: Event[str]

    io = Server()
    io.declare(Sent)

    @io.event
    def place(socket: Socket, count: int) -> None: ...

    assert [each.schema for each in outgoing(io)["/"][0].arguments] == [{"type": "string"}]


def test_parts_of_a_name_have_the_types_that_handlers_want() -> None:
    io = Server()
    board = Router("/org/{org_id}/{day}")

    @board.event
    def draw(socket: Socket, *, org_id: int) -> None: ...

    @board.event
    def wipe(socket: Socket, *, org_id: Annotated[int, msgspec.Meta(ge=1)], day: str) -> None: ...

    io.include(board)
    assert describe(io).namespaces[1].parameters == {
        "org_id": {"type": "integer"},
        "day": {"type": "string"},
    }
