"""Socket.IO client: one connection, its namespaces, and reconnection.

Nobody here knows the server.
"""
