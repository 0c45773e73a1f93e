"""Engine.IO without I/O: sessions, states, deadlines. Runs with no event loop and a fake clock.

It knows the codec only; what drives a session, and what carries it, are contracts of its own.
"""
