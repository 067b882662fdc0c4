"""The verb settle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, update

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
from jobkit.errors import SettlementRefused
from jobkit.limits import is_limited
from jobkit.payload import Payload
from jobkit_sql.acking import Acks
from jobkit_sql.batching import Batches
from jobkit_sql.cancelling import CHECKPOINT, PUT_BACK
from jobkit_sql.counters import Counters
from jobkit_sql.lending import Lending, key_of
from jobkit_sql.limiting import Limiting
from jobkit_sql.locking import Locks, locked
from jobkit_sql.placing import place
from jobkit_sql.results import Results
from jobkit_sql.store import RowRefused, Store, again_if_undone
from jobkit_sql.tables import jobs

__all__ = ["Settle"]


@dataclass(frozen=True, slots=True)
class _Change:
    """A settlement, the key of its row, and the statement's parameters if it carries new text."""

    settlement: Settlement
    key: int
    parameters: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class _Settled:
    """What became of a batch: the claims that were not held, what was refused, and why first."""

    stale: tuple[Claim, ...]
    refused: tuple[Settlement, ...] = ()
    fault: RowRefused | None = None

    def __add__(self, other: _Settled) -> _Settled:
        return _Settled(
            self.stale + other.stale, self.refused + other.refused, self.fault or other.fault
        )


class Settle:
    """Applies a batch in one transaction, a statement for each kind of change.

    When the store refuses a value the batch is halved until the guilty settlement is alone. The
    others are applied, it is not, and `SettlementRefused` tells at the end.
    """

    def __init__(
        self,
        store: Store,
        lending: Lending,
        counters: Counters,
        locks: Locks,
        *,
        limiting: Limiting,
        batches: Batches,
        results: Results,
        keep_finished: bool,
    ) -> None:
        self._store = store
        self._lending = lending
        self._counters = counters
        self._locks = locks
        self._limiting = limiting
        self._batches = batches
        self._results = results
        done = store.dialect.one_of(jobs.c.key, "keys")
        self._finish = _COMPLETE.where(done) if keep_finished else delete(jobs).where(done)
        self._acks = None if keep_finished else Acks(store)

    def __call__(self, settlements: Sequence[Settlement]) -> list[Claim]:
        if not settlements:
            return []
        now = self._store.time()
        if self._acks is not None and (stale := self._acks(settlements, now)) is not None:
            return stale
        settled = self._settle([_change(each, now) for each in settlements], now)
        if settled.fault is not None:
            raise SettlementRefused(
                str(settled.fault), refused=settled.refused, stale=settled.stale
            ) from settled.fault
        return list(settled.stale)

    def through(self, connection: Connection, settlements: Sequence[Settlement]) -> list[Claim]:
        """The same as a part of a transaction of the application's, all or nothing."""
        now = self._store.time()
        self._store.dialect.seize(connection)
        changes = [_change(each, now) for each in settlements]
        _, stale, fired = self._apply_on(connection, changes, now)
        if fired:
            self._store.dialect.announce_through(connection)
        return list(stale)

    def _settle(self, batch: Sequence[_Change], now: float) -> _Settled:
        try:
            return _Settled(self._apply(batch, now))
        except RowRefused as fault:
            if len(batch) == 1:
                return _Settled((), (batch[0].settlement,), fault)
        middle = len(batch) // 2
        return self._settle(batch[:middle], now) + self._settle(batch[middle:], now)

    @again_if_undone
    def _apply(self, batch: Sequence[_Change], now: float) -> tuple[Claim, ...]:
        with self._store.writing() as connection:
            held, stale, fired = self._apply_on(connection, batch, now)
        if fired or any(_lets_go_on(change.settlement) for change in held):
            self._store.announce()
        return stale

    def _apply_on(
        self, connection: Connection, batch: Sequence[_Change], now: float
    ) -> tuple[list[_Change], tuple[Claim, ...], bool]:
        """What was held and what not, and whether a batch had something enqueued."""
        valid = self._lending.receipts_for(connection, {change.key for change in batch})
        held, stale = _fenced(batch, valid)
        self._change_rows(connection, held, now)
        self._results.keep(connection, (each.settlement for each in held), now)
        fired = self._batches.settled(connection, (each.settlement for each in held), now)
        self._count(connection, held, now)
        return held, stale, fired

    def _change_rows(self, connection: Connection, held: Sequence[_Change], now: float) -> None:
        # First: the claim of a checkpoint may be spent by a later settlement of the same batch.
        if checkpoints := _parameters(held, Checkpoint):
            connection.execute(_CHECKPOINT, checkpoints)
        if placed := _parameters(held, Requeue, Bury):
            connection.execute(_PUT_BACK, placed)
        if finished := _keys(held, Ack):
            connection.execute(self._finish, {"keys": finished, "now": now})
        self._lending.give_back(connection, _keys(held, Release))
        self._locks.free(connection, locked(_ended(held)))
        self._free_places(connection, held, now)

    def _free_places(self, connection: Connection, held: Sequence[_Change], now: float) -> None:
        over = [
            each.settlement
            for each in held
            if is_limited(each.settlement.claim.payload)
            and not isinstance(each.settlement, Checkpoint)
        ]
        if over:
            self._limiting.unstart(connection, _unstarted(over))
            self._limiting.freed(connection, (each.claim.payload.text for each in over), now)

    def _count(self, connection: Connection, held: Sequence[_Change], now: float) -> None:
        tallies = [_tally(change.settlement) for change in held]
        failed = tallies.count(Tally.FAILED)
        processed = tallies.count(Tally.PROCESSED) + failed
        self._counters.add(connection, now, processed=processed, failed=failed)


_HELD = jobs.c.key == bindparam("held")
_PUT_BACK: Final = PUT_BACK.where(_HELD)
_CHECKPOINT: Final = CHECKPOINT.where(_HELD)
_COMPLETE: Final = update(jobs).values(
    state=State.COMPLETED.value, at=bindparam("now"), worker=None, receipt=None
)


def _change(settlement: Settlement, now: float) -> _Change:
    key = key_of(settlement.claim.receipt)
    parameters: dict[str, Any] | None = None
    match settlement:
        case Requeue(payload=payload, state=state, head=head):
            parameters = {"held": key, **place(payload, state, now, head=head)}
        case Bury(payload=payload):
            parameters = {"held": key, **place(payload, State.DEAD, now)}
        case Checkpoint(payload=payload):
            parameters = {"held": key, "text": payload.text}
        case Ack() | Release():
            pass
    return _Change(settlement, key, parameters)


def _fenced(batch: Sequence[_Change], valid: set[str]) -> tuple[list[_Change], tuple[Claim, ...]]:
    """The changes whose claim is held when their turn comes, and the claims of the others."""
    held: list[_Change] = []
    stale: list[Claim] = []
    for change in batch:
        claim = change.settlement.claim
        if claim.receipt not in valid:
            stale.append(claim)
            continue
        held.append(change)
        if not isinstance(change.settlement, Checkpoint):
            valid.discard(claim.receipt)
    return held, tuple(stale)


def _keys(changes: Sequence[_Change], kind: type[Settlement]) -> list[int]:
    return [change.key for change in changes if isinstance(change.settlement, kind)]


def _parameters(changes: Sequence[_Change], *kinds: type[Settlement]) -> list[dict[str, Any]]:
    return [
        change.parameters
        for change in changes
        if change.parameters is not None and isinstance(change.settlement, kinds)
    ]


def _ended(changes: Sequence[_Change]) -> list[Payload]:
    return [
        change.settlement.claim.payload
        for change in changes
        if isinstance(change.settlement, Ack | Bury)
    ]


def _lets_go_on(settlement: Settlement) -> bool:
    """True when there may be something to claim that could not be before."""
    if isinstance(settlement, Requeue | Release):
        return True
    return not isinstance(settlement, Checkpoint) and is_limited(settlement.claim.payload)


def _unstarted(settlements: Sequence[Settlement]) -> list[tuple[int, str, Payload]]:
    """Keys, tokens and payloads of the claims that never came to a start."""
    return [
        (key_of(each.claim.receipt), each.claim.receipt.partition(".")[2], each.claim.payload)
        for each in settlements
        if isinstance(each, Release) and not each.started
    ]


def _tally(settlement: Settlement) -> Tally:
    match settlement:
        case Ack(tally=tally) | Requeue(tally=tally) | Bury(tally=tally):
            return tally
        case Checkpoint() | Release():
            return Tally.NEITHER
