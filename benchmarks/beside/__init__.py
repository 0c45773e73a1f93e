"""The server beside those of others; run as `python -m benchmarks.beside`."""
