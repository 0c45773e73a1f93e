"""WebTransport by `aioquic`: nothing here is imported unless a server is told to serve it."""
