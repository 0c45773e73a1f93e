"""The parser of AsyncAPI's makers reads what a contract is exported as."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from typing import Any, Final

import pytest

from sockwave.contract import Contract, EventContract, NamespaceContract, describe, to_asyncapi
from tests.contract import shop
from tests.support.peers import INTEROP, node

pytestmark = pytest.mark.interop

ERROR: Final = 0
WARNING: Final = 1
"""Severities; what is less is advice."""


def read(document: Any) -> Any:
    """What the parser finds in a document."""
    peer = node()
    done = subprocess.run(
        [peer.executable, INTEROP / "asyncapi.cjs"],
        input=json.dumps(document),
        capture_output=True,
        text=True,
        timeout=100,
        env=peer.env,
        check=True,
    )
    return json.loads(done.stdout)


def faults(found: Any) -> list[Any]:
    return [each for each in found["diagnostics"] if each["severity"] in (ERROR, WARNING)]


def test_document_is_valid_and_has_all_events() -> None:
    contract = describe(shop.make_server(), title="Shop", version="1.2.0")
    sent = EventContract("moved", answer=())
    contract = replace(
        contract,
        description="Orders, as they come.",
        namespaces=(*contract.namespaces, NamespaceContract("/news", outgoing=(sent,))),
    )

    found = read(to_asyncapi(contract))

    assert faults(found) == []
    assert {"id": "news.send_moved", "action": "send", "answered": True, "payloads": ["array"]} in (
        found["operations"]
    )
    events = [each for one in contract.namespaces for each in (*one.incoming, *one.outgoing)]
    assert len(found["operations"]) == len(events)


def test_server_without_events_and_with_a_pattern_is_valid() -> None:
    pattern = NamespaceContract(r"/room-(?P<room>\d+)", parameters={"room": {"type": "string"}})

    assert faults(read(to_asyncapi(Contract("Empty", "1")))) == []
    assert faults(read(to_asyncapi(Contract("Rooms", "1", namespaces=(pattern,))))) == []


def test_parser_refuses_what_is_wrong() -> None:
    document = to_asyncapi(Contract("Empty", "1"))
    del document["info"]["version"]

    assert faults(read(document)) != []
