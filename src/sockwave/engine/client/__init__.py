"""Engine.IO client over asyncio; `aiohttp` does HTTP, TLS and proxies."""
