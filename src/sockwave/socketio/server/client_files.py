"""The browser client that a server hands out (docs/protocol/server.md#client-files).

`client_dist` holds the official bundles, byte for byte; `scripts/update_client_bundle.py` renews
them.
"""

from __future__ import annotations

import gzip
import logging
import zlib
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.resources.abc import Traversable

__all__ = ["CLIENT_FILE_NAMES", "ClientFile", "ClientFiles"]

Encoding: TypeAlias = Literal["gzip", "deflate"]
Response: TypeAlias = tuple[int, list[tuple[str, str]], bytes]

_MISSING: Final[Response] = (
    404,
    [("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff")],
    b"Not found\n",
)

_logger: Final = logging.getLogger("sockwave.engine")

_SCRIPTS: Final = (
    "socket.io.js",
    "socket.io.min.js",
    "socket.io.msgpack.min.js",
    "socket.io.esm.min.js",
)

CLIENT_FILE_NAMES: Final = frozenset(
    name for script in _SCRIPTS for name in (script, f"{script}.map")
)
"""Every name that is served; a request for any other belongs to the engine."""


@dataclass(frozen=True, slots=True)
class ClientFile:
    """One file of the browser client."""

    body: bytes
    content_type: str
    etag: str
    """The client's version in double quotes, as in an `ETag` header."""


class ClientFiles:
    """The browser client's files, read when first asked for and kept.

    Args:
        directory: Where the bundles and their `VERSION` are; those of this package when None.
    """

    def __init__(self, directory: Traversable | None = None) -> None:
        self._directory = directory
        self._files: dict[str, ClientFile | None] = {}
        # At most CLIENT_FILE_NAMES x encodings entries, about 1 MB in all.
        self._compressed: dict[tuple[str, Encoding], bytes] = {}

    def lookup(self, name: str) -> ClientFile | None:
        """Return the file called `name`, None when no such file is served, or it is not there.

        Args:
            name: What follows the server's path in the URL, without a query: `socket.io.min.js`.
        """
        # The set decides, never the file system: a name from a peer does not become a path.
        if name not in CLIENT_FILE_NAMES:
            return None
        if name not in self._files:
            self._files[name] = self._read_or_tell(name)
        return self._files[name]

    def respond(self, name: str, headers: Mapping[str, str]) -> Response | None:
        """Answer a request for `name` with any method: status, headers and body.

        The body is there for HEAD too, which the caller leaves out. `Vary` is the one header that
        the reference lacks: without it a shared cache may hand gzip to somebody who cannot read it.

        Args:
            name: As for `lookup`.
            headers: Of the request; looked up by lower-case names.

        Returns:
            None when no such file is served; 404 when it should be there and is not.
        """
        if name not in CLIENT_FILE_NAMES:
            return None
        file = self.lookup(name)
        if file is None:
            return _MISSING
        if headers.get("if-none-match") in (file.etag, f"W/{file.etag}"):
            return 304, [], b""
        encoding = _choose_encoding(headers.get("accept-encoding", ""))
        body = file.body if encoding is None else self._compress(name, file, encoding)
        reply = [
            ("Cache-Control", "public, max-age=0"),
            ("Content-Type", file.content_type),
            ("ETag", file.etag),
            ("Vary", "Accept-Encoding"),
        ]
        if encoding is not None:
            reply.append(("Content-Encoding", encoding))
        return 200, reply, body

    @cached_property
    def _root(self) -> Traversable:
        return self._directory or files(__package__) / "client_dist"

    @cached_property
    def _etag(self) -> str:
        return f'"{(self._root / "VERSION").read_text("ascii").strip()}"'

    def _read_or_tell(self, name: str) -> ClientFile | None:
        """Read a file; one that was left out of a bundle is told of once, in the log.

        Source maps are not in wheels (see hatch_build.py): only tools of developers ask for them.
        """
        try:
            return self._read(name)
        except OSError as error:
            if name.endswith(".map"):
                return None
            _logger.error(
                "the client file %s cannot be served: %s; a program that is frozen, or a copy of "
                "the package, must take the data files of sockwave along",
                name,
                error.strerror or error,
            )
            return None

    def _read(self, name: str) -> ClientFile:
        kind = "json" if name.endswith(".map") else "javascript"
        return ClientFile(
            body=(self._root / name).read_bytes(),
            content_type=f"application/{kind}; charset=utf-8",
            etag=self._etag,
        )

    def _compress(self, name: str, file: ClientFile, encoding: Encoding) -> bytes:
        body = self._compressed.get((name, encoding))
        if body is None:
            # "deflate" is the zlib format in HTTP (RFC 9110 section 8.4.1.2). mtime=0 keeps the
            # bytes the same on every server behind one balancer.
            compress = zlib.compress if encoding == "deflate" else _gzip
            body = self._compressed[name, encoding] = compress(file.body)
        return body


def _gzip(body: bytes) -> bytes:
    return gzip.compress(body, compresslevel=6, mtime=0)


def _choose_encoding(accept: str) -> Encoding | None:
    """Return the encoding of the highest weight, the client's first among equals."""
    return max(_acceptable(accept), key=lambda choice: choice[1], default=(None, 0.0))[0]


def _acceptable(accept: str) -> Iterator[tuple[Encoding, float]]:
    for entry in accept.lower().split(","):
        coding, *parameters = (part.strip() for part in entry.split(";"))
        weight = _weight(parameters)
        for encoding in get_args(Encoding):
            if weight > 0 and coding == encoding:
                yield encoding, weight


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0
