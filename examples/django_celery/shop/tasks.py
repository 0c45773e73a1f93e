"""What takes longer than a request may."""

import time

from celery import shared_task
from django.conf import settings

from shop.clients import clients


@shared_task
def cook(order: str, dish: str) -> None:
    clients.to(order).emit("cooking", dish)
    time.sleep(settings.COOKING)
    clients.to(order).emit("ready", dish)
