"""Subjects of NATS for the namespaces and processes of a cluster.

Names are what users and clients choose, and subjects have characters of their own: `.` parts them,
`*` and `>` match others. So each name becomes one token of letters, digits, `-` and `_`, with all
other bytes in hexadecimal behind a `=`. A name that would be too long becomes its hash.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

__all__ = ["Subjects", "check_prefix", "encode_name", "split_subject"]

LONGEST_TOKEN: Final = 256
"""Bytes; a line of the protocol may have 4,096 in all, and there are few tokens in it."""

LONGEST_PREFIX: Final = 256
"""Bytes."""

MAX_KEPT: Final = 2_000
"""Names that are not encoded again each time."""

_OTHER: Final = re.compile(rb"[^0-9A-Za-z_-]")
_PREFIX: Final = re.compile(r"[0-9A-Za-z_-]+(\.[0-9A-Za-z_-]+)*", re.ASCII)


def check_prefix(prefix: str) -> None:
    """Refuse what cannot begin a subject.

    Raises:
        ValueError: It has other characters than letters, digits, `-`, `_` and single points between
            them, or too many.
    """
    if not isinstance(prefix, str):
        raise TypeError(f"prefix must be a str, not {type(prefix).__name__}")
    if _PREFIX.fullmatch(prefix) is None or len(prefix) > LONGEST_PREFIX:
        raise ValueError(
            f"prefix must be 1 to {LONGEST_PREFIX} letters, digits, '-' or '_', with single points "
            f"between them, not {prefix!r}"
        )


def encode_name(name: str) -> str:
    """A name as one token; two names never become the same one."""
    data = name.encode("utf-8", "surrogatepass")
    token = _OTHER.sub(lambda found: b"=%02X" % found[0][0], data)
    if len(token) > LONGEST_TOKEN or not token:
        return f"=h{sha256(data).hexdigest()}"  # `h` is no hexadecimal digit: no name becomes it
    return token.decode("ascii")


class Subjects:
    """Makes the subjects of one cluster.

    Args:
        prefix: What all of them begin with.
    """

    def __init__(self, prefix: str) -> None:
        check_prefix(prefix)
        self._prefix = prefix
        self._tokens: dict[str, str] = {}
        self._own: dict[tuple[str, str], str] = {}

    def _namespace(self, channel: str) -> str:
        token = self._tokens.get(channel)
        if token is None:
            if len(self._tokens) >= MAX_KEPT:  # namespaces may be made for each client
                self._tokens.clear()
            token = self._tokens[channel] = f"{self._prefix}.{encode_name(channel)}"
        return token

    def for_all(self, channel: str) -> str:
        """Of messages to all who listen to a channel."""
        return f"{self._namespace(channel)}.all"

    def for_one(self, channel: str, address: str) -> str:
        """Of messages to one of them."""
        subject = self._own.get((channel, address))
        if subject is None:
            if len(self._own) >= MAX_KEPT:  # processes come and go
                self._own.clear()
            subject = f"{self._namespace(channel)}.to.{encode_name(address)}"
            self._own[channel, address] = subject
        return subject

    # --- in streams -------------------------------------------------------------------------------

    def log(self, channel: str, sender: str) -> str:
        """Of entries that one process writes."""
        return f"{self._namespace(channel)}.log.{encode_name(sender)}"

    def logs(self, channel: str) -> str:
        """Of all entries of a channel."""
        return f"{self._namespace(channel)}.log.*"

    def parts(self, channel: str, token: str) -> str:
        """Of the parts of one entry.

        Args:
            token: As it stands in the subject.
        """
        return f"{self._namespace(channel)}.part.{token}"

    @property
    def all_entries(self) -> list[str]:
        """Of all entries, and their parts."""
        return [f"{self._prefix}.*.log.*", f"{self._prefix}.*.part.*"]

    def base(self, channel: str) -> str:
        """What the subjects of entries of a channel begin with, see `split_subject`."""
        return self._namespace(channel)

    def session(self, channel: str, pid: str) -> str:
        """Of a lost client."""
        return f"{self._namespace(channel)}.session.{encode_name(pid)}"

    @property
    def all_sessions(self) -> str:
        """Of all lost clients."""
        return f"{self._prefix}.*.session.*"

    @property
    def stream_name(self) -> str:
        """What the names of streams begin with, which have no points."""
        return self._prefix.replace(".", "=2E")


def split_subject(subject: str) -> tuple[str, bool, str]:
    """Of an entry or a part: what it begins with, see `Subjects.base`; whether it is a part; and
    the last token."""
    base, kind, token = subject.rsplit(".", 2)
    return base, kind == "part", token
