from django.db import transaction
from django.http import JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from jobkit.contrib.django import enqueue_on_commit
from orders.jobs import Pack
from orders.models import Order
from orders.tasks import confirm


@csrf_exempt  # it is called by programs
@require_POST
@transaction.atomic
@enqueue_on_commit
def order(request):
    item, email = request.POST.get("item"), request.POST.get("email")
    if not (item and email):
        return JsonResponse({"error": "an order has an item and an email"}, status=400)
    placed = Order.objects.create(item=item, email=email)
    Pack.perform_later(placed.pk)
    result = confirm.enqueue(email, item)
    return JsonResponse({"order": placed.pk, "letter": result.id}, status=201)
