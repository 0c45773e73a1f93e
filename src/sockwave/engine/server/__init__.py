"""Engine.IO on a server: fronts, engine, driver, transports, rules and sessions.

Each may import what stands behind it in this row, and nothing before it (`pyproject.toml` has all
files in their order). It knows nothing of Socket.IO, nor of the client.
"""
