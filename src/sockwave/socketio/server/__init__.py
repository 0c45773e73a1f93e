"""The Socket.IO server: what users hold, and the way of a client to it.

Each file has its place in the row of `pyproject.toml`, and imports only what stands below it.
Nobody here knows the client, or what is built upon the server.
"""
