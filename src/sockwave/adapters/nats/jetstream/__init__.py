"""Streams of NATS: what is sent about sockets is kept there, and lost clients beside it."""
