"""Where bytes come in: the listener of our own, ASGI, and hosts that share a port.

They know the engine and what is below it, and give it exchanges (`exchange.py`). The engine and
everything below it know none of them; who serves a port imports one.
"""
