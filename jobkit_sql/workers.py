"""The verbs of a worker's life: beat, recover, retire; and what it holds."""

from __future__ import annotations

from collections.abc import Sequence

from jobkit.adapter import Beat, Claim, Presence
from jobkit.cancelling import CANCEL, taken_from
from jobkit_sql.lending import Lending, claim_of, new_token
from jobkit_sql.limiting import Limiting
from jobkit_sql.registry import Registry
from jobkit_sql.store import Store, again_if_undone

__all__ = ["Workers"]


class Workers:
    """Registers workers, hears their beats, and takes from the dead and the leaving."""

    def __init__(
        self, store: Store, lending: Lending, registry: Registry, limiting: Limiting
    ) -> None:
        self._store = store
        self._limiting = limiting
        self._lending = lending
        self._registry = registry

    @again_if_undone
    def beat(
        self,
        worker: str,
        *,
        lease: float,
        claims: Sequence[Claim] | None,
        register: bool,
        presence: Presence | None,
    ) -> Beat:
        """See `Adapter.beat`. Orders wait for a beat that tells claims: the worker's own."""
        now = self._store.time()
        with self._store.writing() as connection:
            if register:
                self._registry.add(connection, worker)
            known = self._registry.beat(connection, worker, lease=lease, presence=presence, now=now)
            if not known or claims is None:
                return Beat(registered=known, lost=tuple(claims or ()))
            held = self._lending.receipts_of(connection, worker)
            lost = tuple(claim for claim in claims if claim.receipt not in held)
            receipts, orders = taken_from(self._registry.take_orders(connection, worker))
            told = {claim.receipt for claim in claims}
            # A claim that is still on its way to the worker is told of with a later beat.
            for early in held & (receipts - told):
                self._registry.leave_order(connection, worker, CANCEL + early)
            cancelled = tuple(claim for claim in claims if claim.receipt in receipts)
            return Beat(registered=True, lost=lost, cancelled=cancelled, orders=orders)

    @again_if_undone
    def recover(self, worker: str, *, to: str, beat: int | None) -> list[Claim]:
        """See `Adapter.recover`."""
        now = self._store.time()
        with self._store.writing() as connection:
            self._registry.require(connection, to)
            if not self._registry.remove(connection, worker, beat=beat):
                return []
            rows, token = self._lending.held(connection, worker), new_token()
            claims = self._lending.lend(connection, [row[:3] for row in rows], to, now, token)
            called = self._limiting.recovered(connection, rows, token, now)
        if called:
            self._store.announce()
        return claims

    @again_if_undone
    def retire(self, worker: str) -> int:
        """See `Adapter.retire`."""
        self._store.hang_up()  # who leaves does not read it any more
        now = self._store.time()
        with self._store.writing() as connection:
            self._registry.remove(connection, worker)
            rows = self._lending.held(connection, worker)
            keys = [row[0] for row in rows]
            self._lending.give_back(connection, keys)
            self._limiting.freed(connection, (row[1] for row in rows), now)
        if keys:
            self._store.announce()
        return len(keys)

    def held(self, worker: str) -> list[Claim]:
        """See `Adapter.held`."""
        with self._store.reading() as connection:
            rows = self._lending.seen(connection, worker)
        return [claim_of(key, token, text, loans) for key, text, loans, token in rows]

    def order(self, worker: str, order: str) -> bool:
        """See `SupportsManage.order`."""
        with self._store.writing() as connection:
            return self._registry.leave_order(connection, worker, order)
