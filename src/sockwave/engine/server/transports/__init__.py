"""What carries a session on the server: long-polling and WebSockets, of whatever front end.

They know the rules and sessions, and no driver, engine or front end: what they need of those is a
contract of theirs (`PollingHost`, `WebSocketHost`).
"""
