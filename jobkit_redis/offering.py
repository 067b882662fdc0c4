"""Workers that wait offer to take a job as it is enqueued, and are told which one they have."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import Any, Final

from jobkit.adapter import Claim
from jobkit_redis.errors import Refused, Unanswered
from jobkit_redis.listener import Letter
from jobkit_redis.receipts import claim_of
from jobkit_redis.store import Store

__all__ = ["Offer", "Offers"]

_END: Final = b"\n"
_MANY: Final = 32
"""Queues; with more of them an offer would cost more than it brings."""

_HOLDS: Final = 2.0
"""Seconds for which an offer holds: nothing is lent to a process that stands still for longer."""

_RENEWED: Final = 1.0
"""Seconds after which it is made to hold anew."""

_PATIENCE: Final = 1.0
"""Seconds in which the word of a job that was lent must come, or it got lost."""


class Offer:
    """One that stands, or stood until it was taken."""

    __slots__ = ("letter", "queues", "seen_at", "text")

    def __init__(self, letter: Letter, queues: tuple[bytes, ...], text: tuple[str, bytes]) -> None:
        self.letter = letter
        """Where word of the job will be."""
        self.queues = queues
        self.text = text
        """What the store has, before and behind the moment when it ends."""
        self.seen_at = 0.0
        """The monotonic time when it was seen to stand."""

    def is_taken(self) -> bool:
        """Whether word has come."""
        return self.letter.word is not None


class Offers:
    """The offers of this process's workers.

    One is a field of a hash: where its worker listens, a part of the receipt that he would have,
    when it ends, and his queues. Whoever enqueues takes it out, lends the job and publishes it in
    one step. An offer that is gone has brought a job, then; if word of that does not come, the job
    is as any that was claimed with the answer lost, and Unanswered is raised, so that it is looked
    for.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._standing: dict[str, Offer] = {}

    def of(self, worker: str) -> Offer | None:
        """The worker's, taken or not."""
        return self._standing.get(worker)

    def made(self, worker: str, queues: tuple[bytes, ...]) -> Offer | None:
        """One that stands for these queues, or was taken; None where there can be none.

        Raises Unanswered, if one that stood was taken and the word was lost.
        """
        offer = self._standing.get(worker)
        if offer is not None and offer.queues != queues:
            if self.withdrawn(worker):
                return offer
            offer = None
        if offer is None:
            return self._make(worker, queues)
        if not offer.is_taken() and monotonic() - offer.seen_at >= _RENEWED:
            return self._held(worker, offer, anew=True)
        return offer

    def withdrawn(self, worker: str) -> Offer | None:
        """Have none stand; the one that was taken before. Raises Unanswered."""
        offer = self._standing.get(worker)
        if offer is not None and not offer.is_taken():
            (removed,) = self._ask("HDEL", worker)
            if removed:
                self.forget(worker)
                return None
            self._await(worker, offer)
        return offer

    def brought(self, worker: str) -> list[Claim]:
        """The job of the one that was taken, which ends it. Raises Unanswered."""
        offer = self._standing.get(worker)
        if offer is None:  # forgotten meanwhile, as the worker is not registered any more
            return []
        word = offer.letter.word or self._await(worker, offer)
        self.forget(worker)
        length, _, rest = word.partition(b":")
        end = int(length)
        return [claim_of(worker, rest[:end], rest[end:])]

    def forget(self, worker: str) -> None:
        """It ended otherwise."""
        offer = self._standing.pop(worker, None)
        if offer is not None:
            offer.letter.drop()

    def _make(self, worker: str, queues: tuple[bytes, ...]) -> Offer | None:
        listener = self._store.here.listener
        if not listener.is_open or len(queues) > _MANY or any(_END in each for each in queues):
            return None
        token = self._store.token()
        head, tail = f"{listener.ear}\n{token}\n", b"\n" + _END.join([*queues, b""])
        # Known before it is made: if the answer is lost it may stand all the same.
        offer = self._standing[worker] = Offer(listener.expect(token), queues, (head, tail))
        return self._held(worker, offer, anew=False)

    def _held(self, worker: str, offer: Offer, *, anew: bool) -> Offer | None:
        """Have it hold from now on, unless it was taken; None if the store does not take it."""
        store, (head, tail) = self._store, offer.text
        keys = [store.keys.workers, store.keys.offers]
        try:
            stands = store.run("offer", keys, [worker, int(anew), head, tail, store.now, _HOLDS])
        except Refused:  # who may not do that, or cannot now, claims
            stands = None
        if stands is None:
            self.forget(worker)
            return None
        offer.seen_at = monotonic()
        if not stands:
            self._await(worker, offer)
        return offer

    def _await(self, worker: str, offer: Offer) -> bytes:
        """The word of one that is gone, so that it must have been taken."""
        self._store.here.listener.until(offer.is_taken, _PATIENCE)
        if offer.letter.word is None:
            self.forget(worker)
            self._store.here.listener.doubt()
            raise Unanswered("a job was lent to this worker, and the word of it was lost")
        return offer.letter.word

    def _ask(self, command: str, worker: str) -> Sequence[Any]:
        return self._store.here.pool.ask((command, self._store.keys.offers, worker))
