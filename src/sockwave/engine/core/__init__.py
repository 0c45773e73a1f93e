"""Engine.IO without I/O: sessions, their states and deadlines. Runs with no event loop and a fake clock."""
