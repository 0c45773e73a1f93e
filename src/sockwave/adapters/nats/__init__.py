"""The carrier on NATS: subjects, numbered frames, the connection, the driver, and the adapter."""
