"""WebTransport by `aioquic`: nothing here is imported unless a client is told to use it."""
