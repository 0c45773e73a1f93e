"""Ids that grant something: whoever knows one can take part."""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode

__all__ = ["generate_id"]


def generate_id() -> str:
    """Make an id of 20 characters from 120 random bits."""
    return urlsafe_b64encode(secrets.token_bytes(15)).decode()
