"""The verb settle."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from jobkit.adapter import (
    Ack,
    Bury,
    Checkpoint,
    Claim,
    Release,
    Requeue,
    Settlement,
    State,
    Tally,
)
from jobkit.errors import PayloadError, SettlementRefused
from jobkit.limits import MARK as LIMITED
from jobkit.locks import MARK, Lock
from jobkit.payload import Payload
from jobkit_redis.keys import Keys, encoded
from jobkit_redis.members import MARK as BATCHED
from jobkit_redis.members import ended
from jobkit_redis.placing import KeyList, Place, names, place_of
from jobkit_redis.receipts import Field, Receipt
from jobkit_redis.results import kept
from jobkit_redis.store import Store

__all__ = ["Settle"]

_DAYS_KEPT: Final = 5 * 365 * 86_400
"""Seconds that the counts of a day are kept: as long as Sidekiq keeps them."""

_LETTERS: Final = {Tally.PROCESSED: "p", Tally.FAILED: "f", Tally.NEITHER: "n"}


@dataclass(frozen=True, slots=True)
class _Item:
    """A settlement and its arguments for the script."""

    settlement: Settlement
    arguments: Sequence[Any]


class _Done:
    """Jobs of one worker that are done, and count alike: one item for the script."""

    def __init__(self, hash_at: int, letter: str, kind: str) -> None:
        self.acks: list[Ack] = []
        self._head = ("D", hash_at, letter, kind)
        self._fields: list[bytes] = []

    def add(self, ack: Ack, field: bytes) -> None:
        self.acks.append(ack)
        self._fields.append(field)

    @property
    def arguments(self) -> Sequence[Any]:
        return (*self._head, len(self._fields), *self._fields)


class Settle:
    """Applies a batch with one script call. The removal of the receipt decides, job by job."""

    def __init__(self, store: Store, *, keep_finished: bool) -> None:
        self._store = store
        self._done = "K" if keep_finished else "A"

    def __call__(self, settlements: Sequence[Settlement]) -> list[Claim]:
        first, stale = _spent_once(settlements)
        keys = self._keys()
        done, others = self._done_or_not(first, keys)
        items, refused = self._items(_heads_last(others), keys)
        sent = [
            *(ack for each in done.values() for ack in each.acks),
            *(i.settlement for i in items),
        ]
        if sent:
            late, wrong = self._send([*done.values(), *items], keys)
            stale += [sent[at].claim for at in late]
            refused |= {id(sent[at]): _text(why) for at, why in wrong}
        if refused:
            named = [each for each in settlements if id(each) in refused]
            reason = refused[id(named[0])]
            raise SettlementRefused(
                f"the store refuses what a job became: {reason}", refused=named, stale=stale
            )
        return stale

    def _keys(self) -> KeyList:
        keys = self._store.keys
        return KeyList(
            keys,
            keys.queues,
            keys.sequence,
            keys.waiting(State.COMPLETED),
            keys.total("processed"),
            keys.total("failed"),
        )

    def _done_or_not(
        self, settlements: Iterable[Settlement], keys: KeyList
    ) -> tuple[dict[tuple[str, Tally], _Done], list[Settlement]]:
        """What nearly all are, jobs to be acked and no more, in few items; and the others."""
        done: dict[tuple[str, Tally], _Done] = {}
        others: list[Settlement] = []
        for each in settlements:
            if not isinstance(each, Ack) or each.result or not _is_plain(each.claim):
                others.append(each)
                continue
            worker, text = Receipt.of(each.claim.receipt)
            field = encoded(text)
            if (group := done.get((worker, each.tally))) is None:
                at = keys.at(self._store.keys.claimed(worker))
                group = done[worker, each.tally] = _Done(at, _LETTERS[each.tally], self._done)
            group.add(each, field)
        return done, others

    def _items(
        self, settlements: Iterable[Settlement], keys: KeyList
    ) -> tuple[list[_Item], dict[int, str]]:
        """The settlements that can be sent, and why others cannot, by their identity."""
        items: list[_Item] = []
        refused: dict[int, str] = {}
        for each in settlements:
            try:
                arguments = (*kept(each, keys), *self._arguments(each, keys))
                if BATCHED in each.claim.payload.text:
                    arguments = (*ended(each), *arguments)
                if MARK in each.claim.payload.text:
                    arguments = (*self._unlocking(each, keys), *arguments)
                if LIMITED in each.claim.payload.text:
                    arguments = (*_freeing(each), *arguments)
                items.append(_Item(each, arguments))
            except UnicodeEncodeError as error:
                refused[id(each)] = f"half a character cannot be kept: {error}"
        return items, refused

    def _send(
        self, items: Iterable[_Item | _Done], keys: KeyList
    ) -> tuple[Sequence[int], Iterable[tuple[int, Any]]]:
        store = self._store
        wake = names(store.waking(keys.queues))
        head = [store.now, _DAYS_KEPT, store.keys.channel, len(wake), *wake]
        arguments = [part for item in items for part in item.arguments]
        stale, wrong = store.run("settle", keys.all, head + arguments)
        return stale, zip(wrong[::2], wrong[1::2], strict=True)

    def _unlocking(self, settlement: Settlement, keys: KeyList) -> tuple[Any, ...]:
        """What frees the lock of a unique job that ends."""
        if not isinstance(settlement, Ack | Bury):
            return ()
        payload = settlement.claim.payload
        lock = Lock.of(payload)
        if lock is None or not lock.is_held:
            return ()
        return ("U", keys.at(self._store.keys.locks), encoded(lock.name), encoded(payload.id))

    def _arguments(self, settlement: Settlement, keys: KeyList) -> tuple[Any, ...]:
        worker, field = Receipt.of(settlement.claim.receipt)
        claim = (keys.at(self._store.keys.claimed(worker)), encoded(field))
        match settlement:
            case Ack(tally=tally):
                return (*claim, _LETTERS[tally], self._done)
            case Release():
                queue = _place_in(field).queue
                return (*claim, "n", "R", keys.queue(queue), encoded(queue))
            case Checkpoint(payload=payload):
                return (*claim, "n", "C", encoded(payload.text))
            case Bury(payload=payload, tally=tally):
                dead = keys.at(self._store.keys.waiting(State.DEAD))
                return (*claim, _LETTERS[tally], "Z", dead, encoded(payload.text))
            case Requeue(payload=payload, tally=tally):
                place = _place(payload, field)
                where = _requeued(settlement, place, keys, self._store.keys)
                return (*claim, _LETTERS[tally], *where, encoded(payload.text))


def _freeing(settlement: Settlement) -> tuple[Any, ...]:
    """What frees the places in limits, if the claim ends; the start, too, that never was."""
    if isinstance(settlement, Checkpoint):
        return ()
    return ("L", int(isinstance(settlement, Release) and not settlement.started))


def _is_plain(claim: Claim) -> bool:
    """True of nearly all: nothing else ends with the job, and its receipt can be sent."""
    text = claim.payload.text
    special = MARK in text or LIMITED in text or BATCHED in text
    return not special and claim.receipt.isascii()


def _requeued(settlement: Requeue, place: Place, keys: KeyList, known: Keys) -> tuple[Any, ...]:
    if settlement.state is State.ENQUEUED:
        head = int(settlement.head)
        return ("Q", keys.queue(place.queue), encoded(place.queue), place.priority, head)
    due = "" if place.due is None else repr(place.due)
    return ("W", keys.at(known.waiting(settlement.state)), due)


def _place(payload: Payload, field: str) -> Place:
    """Where the payload says; one that cannot be read goes where it came from."""
    try:
        return place_of(payload)
    except PayloadError:
        return _place_in(field)


def _place_in(field: str) -> Place:
    try:
        _, priority, queue = Field.of(field)
    except ValueError:  # of another store: stale, wherever it claims to be from
        return Place("default", "0")
    return Place(queue, priority)


def _spent_once(settlements: Sequence[Settlement]) -> tuple[list[Settlement], list[Claim]]:
    """The settlements up to the one that spends each claim, and the claims of those behind it."""
    first: list[Settlement] = []
    stale: list[Claim] = []
    spent: set[str] = set()
    for each in settlements:
        receipt = each.claim.receipt
        if receipt in spent:
            stale.append(each.claim)
            continue
        first.append(each)
        if not isinstance(each, Checkpoint):
            spent.add(receipt)
    return first, stale


def _heads_last(settlements: Sequence[Settlement]) -> list[Settlement]:
    """Those that go back to the head, the youngest claim first: so the oldest ends up in front."""
    heads = [each for each in settlements if _to_head(each)]
    if not heads:
        return list(settlements)
    heads.sort(key=lambda each: Receipt.of(each.claim.receipt).field, reverse=True)
    return [*(each for each in settlements if not _to_head(each)), *heads]


def _to_head(settlement: Settlement) -> bool:
    return isinstance(settlement, Release) or (isinstance(settlement, Requeue) and settlement.head)


def _text(error: Any) -> str:
    return error.decode(errors="replace") if isinstance(error, bytes) else str(error)
