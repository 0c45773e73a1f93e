"""Who is let in, what they are told if not, and how much they may send.

They know requests and sessions, and nothing of how these came: no transport, no front end, and of
the engine only their own contracts.
"""
