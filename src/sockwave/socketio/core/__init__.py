"""Socket.IO without I/O: rooms, broadcasts, acknowledgements."""
