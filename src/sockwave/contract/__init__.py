"""Typed handlers: what their annotations say is checked when an event comes.

The server reaches it as an extension, for the first handler that has annotations; a program without
them does not import it.

    handlers.py      the wrapping of a handler; plans are kept by the handler's code
    plans.py         what is checked of a call, made once
    checks.py        one type: from a value as it came to one of the type
    results.py       what a handler returns, as values for the wire
    annotations.py   what a handler's signature says, names resolved
    description.py   what a server says and hears, as data: what every export is made of
    typescript.py    a contract as TypeScript for the stock client; typescript_types.py its types
    python.py        a contract as a typed client for Python; python_types.py its annotations
    schema_parts.py  names, references and bounds, for both
"""
