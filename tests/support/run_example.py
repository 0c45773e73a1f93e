"""Run an example as `python FILE` does, but on another port: PORT FILE."""

from __future__ import annotations

import functools
import os
import runpy
import sys

import uvicorn

from sockwave import Server

if __name__ == "__main__":
    port, file = sys.argv[1:]
    os.environ["PORT"] = port
    on_port = functools.partialmethod(Server.run, port=int(port))
    Server.run = on_port  # type: ignore[method-assign, assignment] # the same but for a default
    # It takes processes for dead that have not started within 5 s.
    uvicorn.run = functools.partial(uvicorn.run, timeout_worker_healthcheck=60)
    runpy.run_path(file, run_name="__main__")
