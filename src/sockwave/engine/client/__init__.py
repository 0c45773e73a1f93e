"""Engine.IO client over asyncio; `aiohttp` does HTTP, TLS and proxies.

Nobody here knows Socket.IO, or the server.
"""
