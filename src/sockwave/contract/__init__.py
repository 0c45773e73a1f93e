"""Typed handlers: what their annotations say is checked when an event comes.

The server reaches it as an extension, for the first handler that has annotations; a program without
them does not import it.

    handlers.py      the wrapping of a handler; plans are kept by the handler's code
    plans.py         what is checked of a call, made once
    checks.py        one type: from a value as it came to one of the type
    results.py       what a handler returns, as values for the wire
    model_unions.py  unions of Pydantic that are slow to tell apart: refused
    params.py        parts of the name of a namespace, for handlers that ask for them
    annotations.py   what a handler's signature says, names resolved
    description.py   what a server says and hears, as data: what every export is made of
"""
