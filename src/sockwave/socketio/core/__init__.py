"""Socket.IO without I/O: rooms, broadcasts, acknowledgements, and what waits for handlers.

Knows no event loop, and of Engine.IO only its core; adapters and parsers need nothing but this.
"""
