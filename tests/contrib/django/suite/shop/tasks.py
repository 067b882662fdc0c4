from __future__ import annotations

import asyncio
from typing import Any

from jobkit import discard_on, retry_on
from jobkit.contrib.django.tasks.flavour import _name
from shop.models import Order

if _name == "django.tasks":
    from django.tasks import task
else:
    from django_tasks import task


@task
def ship(note: str, *, times: int = 1) -> list[int]:
    return [Order.objects.create(note=note).pk for _ in range(times)]


@task(queue_name="mailers", priority=5)
def mail(to: str) -> str:
    return f"mailed {to}"


@task(takes_context=True)
def stubborn(context: Any, note: str) -> None:
    Order.objects.create(note=f"{note} {context.attempt}")
    if context.attempt < 2:
        raise ValueError("once more")


@task
async def wait(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


@task
def fail(reason: str) -> None:
    raise ValueError(reason)


@retry_on(ConnectionError, wait=0, attempts=2)
@task
def unlucky() -> None:
    raise ConnectionError("always")


@discard_on(LookupError)
@task
def unwanted() -> None:
    raise LookupError("gone")


@task
def add(left: int, *, right: int) -> int:
    return left + right


@task(backend="after_commit")
def afterwards(note: str) -> None:
    Order.objects.create(note=note)
