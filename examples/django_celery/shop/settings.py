"""Settings of Django, and of Celery. A shop of yours has its database, sessions and users here."""

import os
from pathlib import Path

LIVE_URL = os.environ.get("LIVE_URL", "http://127.0.0.1:3000")  # the sockets
COOKING = float(os.environ.get("COOKING", "2"))  # seconds

REDIS_URL = os.environ.get("REDIS_URL", "redis://localhost:6379")

SECRET_KEY = "change me"
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "shop.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).with_name("templates")],
    }
]

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
