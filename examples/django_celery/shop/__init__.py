"""A shop that takes orders; see live.py."""

from shop.celery import app

__all__ = ["app"]
