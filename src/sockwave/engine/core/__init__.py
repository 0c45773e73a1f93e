"""Engine.IO without I/O: sessions, states, deadlines. Runs with no event loop and a fake clock."""
