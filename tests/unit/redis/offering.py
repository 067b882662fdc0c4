"""Offers in tests: made, taken, and told of to nobody."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from jobkit.adapter import Claim
from jobkit.errors import AdapterError
from jobkit.payload import Payload, new_id
from jobkit_redis import RedisAdapter
from jobkit_redis.enqueue import _Route
from jobkit_redis.scripts import script
from tests.unit.worker.helpers import until

__all__ = [
    "CLAIMED",
    "LENT",
    "OFFERS",
    "PUSHED",
    "QUEUE",
    "LentOrNot",
    "job",
    "lose_the_word",
    "missed",
    "offer",
    "taken",
]

_ASTRAY: Final = """
local offers = redis.call('HGETALL', KEYS[1])
assert(#offers == 2)
local rest = string.match(offers[2], '^[^\\n]*(\\n.*)$')
redis.call('HSET', KEYS[1], offers[1], 'astray' .. rest)
return string.match(rest, '^\\n([^\\n]*)')
"""

OFFERS: Final = "{jobkit}:offers"
CLAIMED: Final = "{jobkit}:worker:claimed"
QUEUE: Final = "{jobkit}:queue:default"

LentOrNot: TypeAlias = tuple[int, int, int]
"""How many jobs wait, how many are lent to the worker, and how many offers stand."""

PUSHED: Final[LentOrNot] = (1, 0, 1)
LENT: Final[LentOrNot] = (0, 1, 0)


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


def lose_the_word(client: Any, adapter: RedisAdapter, **fields: Any) -> Payload:
    """A job that is lent for the only offer; what its worker is told is heard by somebody else."""
    keys, one = adapter._store.keys, job(**fields)
    route = _Route.to("default", keys)
    with client.pubsub() as astray, client.pipeline(transaction=True) as both:
        astray.subscribe("astray")
        assert astray.get_message(timeout=20)
        both.eval(_ASTRAY, 1, keys.offers)
        # In the same step, as the worker may make his offer hold anew at any time.
        args = (route.name, one.text, route.channel, "")
        both.eval(script("enqueue_offered").source, len(route.keys), *route.keys, *args)
        token, lent = both.execute()
        assert lent == 1
        assert astray.get_message(timeout=20)["data"].startswith(token + b":")
    return one
