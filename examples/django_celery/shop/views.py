"""Pages of the shop."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from shop.clients import clients
from shop.tasks import cook


def page(request: HttpRequest) -> HttpResponse:
    return render(request, "index.html", {"live": settings.LIVE_URL})


@require_POST
def place(request: HttpRequest, order: str, dish: str) -> JsonResponse:
    clients.to(order).emit("taken", dish)
    cook.delay(order, dish)  # with a database by `transaction.on_commit`, and the event, too
    return JsonResponse({"taken": dish})
