"""Socket.IO client: one connection, its namespaces, and reconnection."""
