"""One client of the engine: its session, its id, and its end.

They know the core's session and no other room: what drives them is a contract of theirs.
"""
