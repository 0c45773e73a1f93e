"""docs/protocol tells the truth: its bytes pass through our codecs, what code names is there."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from scripts.check_docs import FENCE, anchors
from sockwave.codec import engineio, engineio_v3, socketio
from sockwave.codec.engineio import BinaryMessage, ReceivedPacket
from sockwave.codec.msgpack import decode_msgpack_packet, encode_msgpack_packet
from sockwave.codec.socketio import Packet, Reassembler, decode_packet, encode_packet
from sockwave.codec.websocket import server_frame
from sockwave.engine.core.options import EngineOptions
from sockwave.engine.server.rules.verification import ErrorCode
from sockwave.errors import PacketError
from sockwave.socketio.client.backoff import Backoff
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parent.parent
PAGES: Final = ROOT / "docs" / "protocol"
FOLDERS: Final = (
    "src",
    "tests",
    "scripts",
    "docs",
    "examples",
    "benchmarks",
    "interop",
    "fuzz",
    "soak",
)
KINDS: Final = {".py", ".md", ".cjs", ".mjs"}

REFERENCE: Final = re.compile(r"\b(docs/[\w/-]+\.md)(?:#([\w-]+))?")
NUMBERED: Final = re.compile(r"\.md[,\s#\"]*(?:§|(?:sections? )?[A-Z]?\d)")
"""A section named by a number: pages have headings, which say what they are about."""


def files() -> Iterator[Path]:
    """What may name a page."""
    for folder in FOLDERS:
        for file in (ROOT / folder).rglob("*"):
            if file.suffix in KINDS and "node_modules" not in file.parts:
                yield file


@cache
def headings(page: Path) -> set[str]:
    """What may stand behind the name of a page, nothing too; empty where there is no such page."""
    return {"", *anchors(page.read_text())} if page.is_file() else set()


def missing(text: str) -> list[str]:
    """References of a text that lead nowhere, and those of a form that cannot be checked."""
    found = [match[0] for match in NUMBERED.finditer(text)]
    for page, heading in REFERENCE.findall(text):
        if heading not in headings(ROOT / page):
            found.append(f"{page}#{heading}")
    return found


# --- references -----------------------------------------------------------------------------------


def test_every_page_and_heading_that_is_named_is_there() -> None:
    problems = {
        str(file.relative_to(ROOT)): found
        for file in files()
        if file.parent.name != "site"  # pages of these tests' own
        if (found := missing(file.read_text(errors="replace")))
    }
    assert problems == {}


@pytest.mark.parametrize(
    "text",
    [
        "docs/" + "protocol/nowhere.md",
        "docs/" + "protocol/upgrade.md#nowhere",
        "(protocol.md " + "section 5)",
        "(client.md " + "5.10)",
        "(security.md, " + "V24)",
    ],
)
def test_reference_that_leads_nowhere_is_found(text: str) -> None:
    assert missing(text)


def test_package_names_pages_by_their_path() -> None:
    for file in (ROOT / "src").rglob("*.py"):
        for match in re.finditer(r"[\w/-]+\.md\b", file.read_text()):
            assert match[0].startswith("docs/"), f"{file}: {match[0]}"


def test_index_lists_every_page() -> None:
    index = (PAGES / "README.md").read_text()
    for page in PAGES.glob("*.md"):
        assert page.name == "README.md" or f"]({page.name})" in index


def test_every_page_names_its_sources() -> None:
    for page in PAGES.glob("*.md"):
        text = page.read_text()
        assert "\nSources: " in text or page.name in {"README.md", "versions.md"}, page.name


# --- examples -------------------------------------------------------------------------------------


def examples(mark: str) -> list[tuple[str, str]]:
    """What travels and what it means, of all blocks with this mark."""
    rows: list[tuple[str, str]] = []
    for page in sorted(PAGES.glob("*.md")):
        for match in FENCE.finditer(page.read_text()):
            if match["mark"] == f"text {mark}":
                lines = [re.split(r" {2,}", line) for line in match["code"].splitlines()]
                rows += [(line[0], line[-1]) for line in lines]
    assert rows, mark
    return rows


def wire(text: str) -> bytes:
    """Bytes of an example that is text."""
    return text.replace(r"\x1e", "\x1e").encode()


def octets(text: str) -> bytes:
    """Bytes of an example in hexadecimal."""
    return bytes.fromhex(text.strip("<>"))


def shown(value: Any) -> str:
    """A value in JSON, with its bytes in hexadecimal."""
    if isinstance(value, bytes):
        return f"<{value.hex(' ')}>"
    if isinstance(value, list):
        return f"[{','.join(map(shown, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{json.dumps(key)}:{shown(item)}' for key, item in value.items())}}}"
    return json.dumps(value, ensure_ascii=False)


def shown_packets(packets: Iterator[ReceivedPacket]) -> str:
    return " | ".join(
        shown(packet.data) if isinstance(packet, BinaryMessage) else packet.decode()
        for packet in packets
    )


def shown_packet(packet: Packet) -> str:
    parts = [packet.type.name, packet.namespace]
    if packet.id is not None:
        parts.append(f"id {packet.id}")
    if packet.data is not None:
        parts.append(shown(packet.data))
    return " ".join(parts)


def received(text: str) -> list[ReceivedPacket]:
    """The packets that the right side of an example of Engine.IO lists."""
    return [
        BinaryMessage(octets(part)) if part.startswith("<") else part.encode()
        for part in text.split(" | ")
    ]


def read(text: str) -> Packet:
    """Decode an example of Socket.IO with its attachments."""
    head, *attachments = text.split(" + ")
    packet = decode_packet(b"4" + head.encode())
    reassembler = Reassembler(max_bytes=1000)
    if packet.attachments:
        reassembler.begin(packet)
    for attachment in attachments:
        packet = reassembler.add(octets(attachment)) or packet
    assert not reassembler.is_waiting
    return packet


def test_open_packet_is_ours() -> None:
    for text, _ in examples("engine.io open"):
        assert engineio.encode_handshake(engineio.decode_handshake(wire(text))) == wire(text)


@pytest.mark.parametrize(("text", "meaning"), examples("engine.io"))
def test_payload(text: str, meaning: str) -> None:
    assert shown_packets(engineio.iter_payload(wire(text))) == meaning
    parts = [
        engineio.encode_base64_packet(packet.data) if isinstance(packet, BinaryMessage) else packet
        for packet in received(meaning)
    ]
    assert engineio.encode_payload(parts) == wire(text)


@pytest.mark.parametrize(("text", "meaning"), examples("engine.io 3"))
def test_text_payload_of_revision_3(text: str, meaning: str) -> None:
    assert shown_packets(engineio_v3.iter_text_payload(wire(text))) == meaning
    parts = [
        engineio_v3.encode_base64_packet(packet.data)
        if isinstance(packet, BinaryMessage)
        else packet
        for packet in received(meaning)
    ]
    assert engineio_v3.encode_text_payload(parts) == wire(text)


@pytest.mark.parametrize(("text", "meaning"), examples("engine.io 3 bytes"))
def test_binary_payload_of_revision_3(text: str, meaning: str) -> None:
    assert shown_packets(engineio_v3.iter_binary_payload(octets(text))) == meaning
    assert engineio_v3.encode_binary_payload(received(meaning)) == octets(text)


@pytest.mark.parametrize(("text", "meaning"), examples("socket.io"))
def test_packet(text: str, meaning: str) -> None:
    packet = read(text)
    assert shown_packet(packet) == meaning
    head, attachments = encode_packet(packet)
    assert " + ".join([head[1:].decode(), *map(shown, attachments)]) == text


@pytest.mark.parametrize(("text", "meaning"), examples("socket.io read"))
def test_packet_in_another_form(text: str, meaning: str) -> None:
    assert shown_packet(read(text)) == meaning


@pytest.mark.parametrize(("text", "error"), examples("socket.io refused"))
def test_refused_packet(text: str, error: str) -> None:
    with pytest.raises(PacketError) as caught:
        read(text)
    assert str(caught.value) == error


@pytest.mark.parametrize(("text", "meaning"), examples("msgpack"))
def test_msgpack_packet(text: str, meaning: str) -> None:
    packet = decode_msgpack_packet(octets(text))
    assert shown_packet(packet) == meaning
    assert decode_msgpack_packet(encode_msgpack_packet(packet)) == packet


@pytest.mark.parametrize(("text", "meaning"), examples("websocket"))
def test_frame(text: str, meaning: str) -> None:
    (packet,) = received(meaning)
    is_binary = isinstance(packet, BinaryMessage)
    payload = packet.data if isinstance(packet, BinaryMessage) else packet
    assert server_frame(payload, binary=is_binary) == octets(text)


# --- figures --------------------------------------------------------------------------------------


def cells(page: str) -> dict[str, str]:
    """First and second cell of the rows of a page's tables."""
    rows = re.findall(r"^\| `?([^|`]+?)`? \| ([^|]+?) \|", (PAGES / page).read_text(), re.MULTILINE)
    return dict(rows)


def test_defaults_of_the_reference_are_ours() -> None:
    told, ours = cells("server-options.md"), EngineOptions()
    for name, value in {
        "pingInterval": ours.ping_interval * 1000,
        "pingTimeout": ours.ping_timeout * 1000,
        "upgradeTimeout": ours.upgrade_timeout * 1000,
        "maxHttpBufferSize": ours.max_payload,
    }.items():
        assert int(told[name].replace(",", "")) == value, name


def test_refusals_of_the_reference_are_ours() -> None:
    told = cells("requests.md")
    for code in ErrorCode:
        if code.value < 400:  # the others are ours alone
            assert told[str(code.value)] == f"`{code.message}`"


def test_types_of_packets_are_ours() -> None:
    for page, types in (
        ("engine-packets.md", engineio.PacketType),
        ("socketio-packets.md", socketio.PacketType),
    ):
        told = {chr(type_): type_.name for type_ in types}
        assert {digit: name.upper() for digit, name in cells(page).items() if digit in told} == told


def test_reserved_names_are_ours() -> None:
    text = (PAGES / "socketio-packets.md").read_text()
    told, _, _ = text.partition("## Reserved names\n")[2].partition(" can ")
    assert set(re.findall("`(.+?)`", told)) == socketio.RESERVED_EVENTS


def test_reasons_of_the_reference_are_ours() -> None:
    ours = {"backlog exceeded", "rate limit exceeded"}
    assert ours | set(cells("reasons.md")) - {"reason"} == {*DisconnectReason}


def test_delays_of_the_reference_are_ours() -> None:
    told = cells("reconnection.md")
    # The first decimal decides on the sign: the largest number of each kind goes furthest.
    soonest, latest = Backoff(random=lambda: 0.8999999), Backoff(random=lambda: 0.9999999)
    for retry in ("1", "2", "3", "4", "5 and later"):
        bounds = [float(bound) for bound in told[retry].split(" to ")]
        assert round(soonest.next(), 2) == bounds[0]
        assert round(latest.next(), 2) == bounds[-1]
