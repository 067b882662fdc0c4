from jobkit import Job, discard_on
from orders.models import Order


@discard_on(Order.DoesNotExist)
class Pack(Job):
    def perform(self, order_id: int) -> None:
        Order.objects.filter(pk=Order.objects.get(pk=order_id).pk).update(packed=True)
