from __future__ import annotations

from jobkit import Job, job
from shop.models import Order


class Ship(Job):
    def perform(self, note: str) -> int:
        return Order.objects.create(note=note).pk


class ShipApart(Job, isolation="process"):
    def perform(self, note: str) -> int:
        return Order.objects.create(note=note).pk


@job
def count() -> int:
    return Order.objects.count()
