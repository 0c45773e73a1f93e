"""What views and tasks emit by.

It connects with its first event, in each process and whatever has been forked before. So one that
is made where a module is imported will do for gunicorn, for Celery and for all of their threads.
"""

from django.conf import settings

import sockwave.sync

clients = sockwave.sync.RedisEmitter(settings.REDIS_URL)
