"""What takes longer than a request may."""

from celery import shared_task

from shop.clients import clients


@shared_task
def cook(order: str, dish: str) -> None:
    clients.to(order).emit("cooking", dish)
    clients.to(order).emit("ready", dish)
