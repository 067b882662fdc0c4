"""Offers in tests: made, taken, and told of to nobody."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from jobkit.adapter import Claim
from jobkit.errors import AdapterError
from jobkit.payload import Payload, new_id
from jobkit_redis import RedisAdapter
from tests.unit.worker.helpers import until

__all__ = ["CLAIMED", "OFFERS", "QUEUE", "job", "lose_the_word", "missed", "offer", "taken"]

OFFERS: Final = "{jobkit}:offers"
CLAIMED: Final = "{jobkit}:worker:claimed"
QUEUE: Final = "{jobkit}:queue:default"


def job(kind: str = "offering.Job", word: str = "", **fields: Any) -> Payload:
    usual = {"class": kind, "args": [word], "jid": new_id(), "queue": "default"}
    return Payload.of(usual | fields)


def offer(adapter: RedisAdapter, *queues: str, worker: str = "worker") -> list[Claim]:
    """An offer that stands, or what was lent for it."""
    lent = adapter.offer(queues or ("default",), 0.01, worker=worker)
    while not lent and not adapter._take._offers.of(worker):
        lent = adapter.offer(queues or ("default",), 0.01, worker=worker)
    return lent


def taken(
    adapter: RedisAdapter, worker: str = "worker", queues: Sequence[str] = ("default",)
) -> list[str]:
    """What was lent for the offer, in the end: a wait may be over for less."""
    lent: list[Claim] = []

    def came() -> bool:
        lent.extend(adapter.offer(queues, 1, worker=worker))
        return bool(lent)

    until(came)
    return [claim.payload.id for claim in lent]


def missed(adapter: RedisAdapter, verb: str) -> bool:
    """Whether the verb misses the word of a job that was lent."""
    verbs: dict[str, Callable[[], object]] = {
        "offer": lambda: adapter.offer(["default"], 0.01, worker="worker"),
        "claim": lambda: adapter.claim(["default"], limit=10, worker="worker"),
        "withdraw": lambda: adapter.withdraw("worker"),
    }
    try:
        verbs[verb]()
    except AdapterError as error:
        return "the word of it was lost" in str(error)
    return False


def lose_the_word(client: Any, producer: RedisAdapter, **fields: Any) -> Payload:
    """A job that is lent, and what its worker is told is heard by somebody else."""
    [(worker, text)] = client.hgetall(OFFERS).items()
    ear, rest = text.split(b"\n", 1)
    astray = client.pubsub()
    astray.subscribe(b"astray")
    assert astray.get_message(timeout=20)
    client.hset(OFFERS, worker, b"astray\n" + rest)
    one = job(**fields)
    producer.enqueue([one])
    assert astray.get_message(timeout=20)["data"].startswith(rest.partition(b"\n")[0])
    astray.close()
    assert ear != b"astray"
    return one
