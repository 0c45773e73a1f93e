from __future__ import annotations

import importlib.util
import sys

import pytest

from sockwave.codec import websocket
from sockwave.codec.websocket import (
    Opcode,
    accept_key,
    apply_mask,
    encode_close,
    encode_frame,
    server_frame,
)
from tests.codec.handlers import (
    Connection,
    raw_frame,
    xor_mask,
)

SERVER, CLIENT = Connection(is_server=True), Connection(is_server=False)
lengths = pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65535, 65536])


def test_accept_key_is_the_one_of_the_example() -> None:
    assert accept_key(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@lengths
def test_server_frame_is_whole_unmasked_and_shortest(length: int) -> None:
    payload = b"x" * length
    assert server_frame(payload) == raw_frame(1, payload, masked=False)
    assert server_frame(payload, binary=True) == raw_frame(2, payload, masked=False)


def test_server_frame_of_the_protocol_reference() -> None:
    assert server_frame(b'42["foo"]') == bytes.fromhex("8109") + b'42["foo"]'


@lengths
@pytest.mark.parametrize("opcode", Opcode)
def test_encoder_writes_any_unmasked_frame(opcode: Opcode, length: int) -> None:
    payload = b"x" * length
    for fin in (True, False):
        expected = raw_frame(opcode, payload, fin=fin, rsv=4, masked=False)
        assert encode_frame(opcode, payload, fin=fin, rsv1=True) == expected


@lengths
def test_encoder_masks_with_a_fresh_key(length: int) -> None:
    payload = bytes(range(256)) * 257
    frames = {encode_frame(2, payload[:length], mask=True) for _ in range(4)}
    assert len(frames) == 4
    for frame in frames:
        body = frame[len(frame) - length :]
        key = frame[len(frame) - length - 4 : len(frame) - length]
        assert xor_mask(body, key) == payload[:length]


@pytest.mark.parametrize(
    ("code", "reason", "payload"),
    [
        (None, "", b""),
        (None, "dropped with the code", b""),
        (1005, "", b""),
        (1000, "", b"\x03\xe8"),
        (1009, "transport error", b"\x03\xf1transport error"),
        (4999, "é", b"\x13\x87\xc3\xa9"),
    ],
)
def test_close_frame_has_code_and_reason(code: int | None, reason: str, payload: bytes) -> None:
    assert encode_close(code, reason) == raw_frame(8, payload, masked=False)


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        ("a" * 123, "a" * 123),
        ("a" * 124, "a" * 123),
        ("é" * 62, "é" * 61),
        ("a" + "é" * 61, "a" + "é" * 61),
        ("€" * 42, "€" * 41),
        ("😀" * 31, "😀" * 30),
    ],
)
def test_close_reason_is_cut_between_characters(reason: str, kept: str) -> None:
    assert CLIENT.read(encode_close(1000, reason)) == [("close", 1000, kept)]


def test_client_masks_its_close_frame() -> None:
    assert SERVER.read(encode_close(1001, "bye", mask=True)) == [("close", 1001, "bye")]


def test_masking_works_without_the_compiled_routine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "websockets.speedups", None)
    spec = importlib.util.spec_from_file_location("plain_websocket", websocket.__file__)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    assert module.apply_mask is not apply_mask
    assert SERVER.read(module.encode_frame(1, b"hello", mask=True)) == [("text", b"hello")]
