"""A job of cron: tells the operators how much room there is on the disk.

`pip install "sockwave[redis]"`, then `python disk.py`.
"""

import os
import shutil

import sockwave.sync

URL = os.environ.get("SOCKWAVE_URL", "redis://localhost:6379")

if __name__ == "__main__":
    disk = shutil.disk_usage("/")
    with sockwave.sync.RedisEmitter(URL) as emitter:
        emitter.to("operators").emit("disk", {"total": disk.total, "free": disk.free})
