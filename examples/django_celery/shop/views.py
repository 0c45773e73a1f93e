"""Pages of the shop."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_POST

from shop.clients import clients
from shop.tasks import cook


@require_POST
def place(request: HttpRequest, order: str, dish: str) -> JsonResponse:
    clients.to(order).emit("taken", dish)
    cook.delay(order, dish)  # with a database by `transaction.on_commit`, and the event, too
    return JsonResponse({"taken": dish})
