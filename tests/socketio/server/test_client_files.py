"""Serving the browser client: names, caching, gzip (docs/protocol/server.md#client-files)."""

from __future__ import annotations

import gzip
import re
import zlib
from typing import TYPE_CHECKING

import pytest

from sockwave.socketio.server.client_files import CLIENT_FILE_NAMES, ClientFile, ClientFiles

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = b"console.log('wave');" * 100


@pytest.fixture
def bundle(tmp_path: Path) -> ClientFiles:
    """Two small files as version 9.8.7."""
    (tmp_path / "VERSION").write_text("9.8.7\n")
    (tmp_path / "socket.io.js").write_bytes(SOURCE)
    (tmp_path / "socket.io.js.map").write_bytes(b"{}")
    (tmp_path / "secret").write_bytes(b"not served")
    return ClientFiles(tmp_path)


def get(files: ClientFiles, name: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    answer = files.respond(name, {key.replace("_", "-"): value for key, value in headers.items()})
    assert answer is not None
    status, pairs, body = answer
    assert len(dict(pairs)) == len(pairs), "no header twice"
    return status, dict(pairs), body


def decompress(body: bytes, encoding: str | None) -> bytes:
    if encoding == "gzip":
        return gzip.decompress(body)
    return body if encoding is None else zlib.decompress(body)


def test_script_is_served_with_the_reference_headers(bundle: ClientFiles) -> None:
    assert get(bundle, "socket.io.js") == (
        200,
        {
            "Cache-Control": "public, max-age=0",
            "Content-Type": "application/javascript; charset=utf-8",
            "ETag": '"9.8.7"',
            "Vary": "Accept-Encoding",
        },
        SOURCE,
    )


def test_source_map_is_json(bundle: ClientFiles) -> None:
    _, headers, _ = get(bundle, "socket.io.js.map")
    assert headers["Content-Type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize(
    "name",
    ["", "secret", "VERSION", "socket.io.esm.js", "../client_dist/socket.io.js", "socket.io.js?"],
)
def test_other_names_are_left_to_the_engine(bundle: ClientFiles, name: str) -> None:
    assert bundle.lookup(name) is None
    assert bundle.respond(name, {}) is None


@pytest.mark.parametrize("tag", ['"9.8.7"', 'W/"9.8.7"'])
def test_known_version_is_answered_304_without_body(bundle: ClientFiles, tag: str) -> None:
    assert get(bundle, "socket.io.js", if_none_match=tag) == (304, {}, b"")


@pytest.mark.parametrize("tag", ['"9.8.6"', "9.8.7", "*", '"9.8.6", "9.8.7"', ""])
def test_any_other_tag_gets_the_file(bundle: ClientFiles, tag: str) -> None:
    assert get(bundle, "socket.io.js", if_none_match=tag)[0] == 200


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip,br,deflate", "gzip"),
        ("deflate, gzip", "deflate"),
        ("br, GZIP", "gzip"),
        ("gzip;q=0.5, deflate", "deflate"),
        ("gzip;q=0, deflate;q=0.1", "deflate"),
        ("gzip;q=0", None),
        ("gzip;q=rubbish", None),
        ("br", None),
        ("identity", None),
        ("gzipped", None),
        (";;,,", None),
    ],
)
def test_encoding_follows_the_client(
    bundle: ClientFiles, accept: str, expected: str | None
) -> None:
    _, headers, body = get(bundle, "socket.io.js", accept_encoding=accept)
    assert headers.get("Content-Encoding") == expected
    assert decompress(body, expected) == SOURCE


def test_file_is_read_and_compressed_once(bundle: ClientFiles, tmp_path: Path) -> None:
    first = get(bundle, "socket.io.js", accept_encoding="gzip")[2]
    (tmp_path / "socket.io.js").unlink()
    assert get(bundle, "socket.io.js", accept_encoding="gzip")[2] is first


@pytest.mark.parametrize("missing", ["socket.io.js", "VERSION"])
def test_file_that_was_left_out_is_a_404_and_one_line(
    bundle: ClientFiles, tmp_path: Path, missing: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / missing).unlink()
    for _ in range(3):
        status, _, body = get(bundle, "socket.io.js", if_none_match='"9.8.7"')
        assert (status, body) == (404, b"Not found\n")
    assert len(caplog.messages) == 1
    assert "the client file socket.io.js cannot be served: No such file" in caplog.messages[0]
    assert bundle.respond("socket.io.nothing.js", {}) is None


@pytest.mark.parametrize("name", sorted(CLIENT_FILE_NAMES))
def test_package_ships_every_file(name: str) -> None:
    file = ClientFiles().lookup(name)
    assert isinstance(file, ClientFile)
    assert len(file.body) > 10_000


def test_shipped_client_is_the_version_in_its_tag() -> None:
    file = ClientFiles().lookup("socket.io.js")
    assert file is not None
    found = re.search(rb"Socket\.IO v([0-9.]+)", file.body)
    assert found is not None
    assert file.etag == f'"{found[1].decode()}"'
    assert file.etag.startswith('"4.8.')
