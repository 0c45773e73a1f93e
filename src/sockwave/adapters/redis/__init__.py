"""Carriers on Redis: connections, and the messages of JavaScript's adapters on them."""
