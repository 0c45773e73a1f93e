"""The namespace that the stock Admin UI of Socket.IO talks to; see `Server.instrument`.

    io.instrument(auth=("admin", "<bcrypt hash>"))

The server reaches it as an extension, when it is asked for.

    instrumenting.py    what `instrument` does: the namespace, and who may come in
    guarding.py         user names and passwords, and how often one may try
    sessions.py         who has logged in
    details.py          all that sockets do, told to viewers in development mode
    statistics.py       numbers, every two seconds
    commands.py         what viewers may do
    showing.py          sockets and events as viewers see them
    serving.py          the files of the page
    ui_dist/            those of the npm package, byte for byte
"""

from sockwave.admin.sessions import AdminSessions, MemorySessions, RedisSessions

__all__ = ["AdminSessions", "MemorySessions", "RedisSessions"]
