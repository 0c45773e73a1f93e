"""`sockwave run --admin`: the Admin UI for a server that says nothing about it.

User name and password are made up at the start, and printed. Processes that this one starts (those
of --workers, the one behind --reload) get the hash by the environment.
"""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING, Final

from sockwave.cli.console import Failure

if TYPE_CHECKING:
    from sockwave import Server

__all__ = ["HASH_VARIABLE", "USERNAME", "open_admin", "prepare_admin"]

HASH_VARIABLE: Final = "SOCKWAVE_ADMIN_HASH"
"""A variable of the environment; the bcrypt hash of the password, if somebody has chosen one."""

USERNAME: Final = "admin"


def prepare_admin() -> str | None:
    """Make up a password, unless there is one; None where there is.

    Raises:
        Failure: bcrypt is not installed.
    """
    try:
        import bcrypt
    except ModuleNotFoundError as error:
        raise Failure('--admin needs bcrypt: pip install "sockwave[admin]"') from error
    if os.environ.get(HASH_VARIABLE):
        return None
    password = secrets.token_urlsafe(12)
    os.environ[HASH_VARIABLE] = bcrypt.hashpw(password.encode(), bcrypt.gensalt()).decode()
    return password


def open_admin(server: Server) -> bool:
    """Let the page look at a server, and hand it out; False if the server has its own rules.

    Raises:
        Failure: The hash in the environment is none, or the namespace is taken.
    """
    from sockwave.admin.instrumenting import is_instrumented, serve_page

    if is_instrumented(server):
        serve_page(server)
        return False
    try:
        server.instrument(auth=(USERNAME, os.environ[HASH_VARIABLE]), serve=True)
    except ValueError as error:
        raise Failure(f"--admin: {error}") from error
    return True
