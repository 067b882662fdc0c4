"""What the adapter of a worker process was asked and answered, written down beside the store.

The adapter's class is wrapped when the workers import the application. What was asked stands in
the journal before the call, the answer after it: a process killed in between leaves the question,
and then the store may or may not have done it. Only what the store answered counts, so this holds
for every store and needs nothing from it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from jobkit import backends
from jobkit.adapter import (
    Ack,
    Adapter,
    Beat,
    Bury,
    Checkpoint,
    Claim,
    Release,
    Requeue,
    Settlement,
)
from jobkit.errors import AdapterError
from jobkit.offering import SupportsOffers
from tests.chaos.journal import Journal

__all__ = ["watch"]


def watch(journal: Journal) -> None:
    """Wrap the class of this process's adapter."""
    adapter = type(backends.get_adapter())
    if issubclass(adapter, SupportsOffers):
        setattr(adapter, "offer", _offers(journal, adapter.offer))  # noqa: B010 - as below
        setattr(adapter, "withdraw", _offers(journal, adapter.withdraw))  # noqa: B010
    for name, wrapped in (
        ("claim", _claims(journal, adapter.claim)),
        ("settle", _settlements(journal, adapter.settle)),
        ("beat", _beats(journal, adapter.beat)),
        ("recover", _recoveries(journal, adapter.recover)),
    ):
        setattr(adapter, name, wrapped)


def _claims(journal: Journal, claim: Callable[..., list[Claim]]) -> Callable[..., list[Claim]]:
    def witnessed(self: Adapter, queues: Sequence[str], *, limit: int, worker: str) -> list[Claim]:
        asked = time.monotonic()
        lent = claim(self, queues, limit=limit, worker=worker)
        if lent:
            journal.write_all([("lend", *_lent(one), worker, asked) for one in lent])
        return lent

    return witnessed


def _offers(journal: Journal, verb: Callable[..., list[Claim]]) -> Callable[..., list[Claim]]:
    def witnessed(self: Adapter, *given: Any, **named: Any) -> list[Claim]:
        asked = time.monotonic()
        lent = verb(self, *given, **named)
        if lent:
            worker = named.get("worker") or given[0]
            journal.write_all([("lend", *_lent(one), worker, asked) for one in lent])
        return lent

    return witnessed


def _settlements(
    journal: Journal, settle: Callable[..., list[Claim]]
) -> Callable[..., list[Claim]]:
    def witnessed(self: Adapter, settlements: Sequence[Settlement]) -> list[Claim]:
        told = [_told(each) for each in settlements]
        journal.write_all([("ask", *each) for each in told])
        try:
            stale = settle(self, settlements)
        except AdapterError as error:
            journal.write_all([("unsure", *each, type(error).__name__) for each in told])
            raise
        refused = {claim.receipt for claim in stale}
        journal.write_all(
            [
                ("stale" if each.claim.receipt in refused else "settled", *words)
                for each, words in zip(settlements, told, strict=True)
            ]
        )
        return stale

    return witnessed


def _beats(journal: Journal, beat: Callable[..., Beat]) -> Callable[..., Beat]:
    def witnessed(self: Adapter, worker: str, **more: Any) -> Beat:
        asked = time.monotonic()
        answer = beat(self, worker, **more)
        journal.write("beat" if answer.registered else "fenced", worker, asked)
        return answer

    return witnessed


def _recoveries(journal: Journal, recover: Callable[..., list[Claim]]) -> Callable[..., Any]:
    def witnessed(self: Adapter, worker: str, *, to: str, beat: int | None = None) -> list[Claim]:
        asked = time.monotonic()
        claims = recover(self, worker, to=to, beat=beat)
        journal.write_all(
            [
                ("reap", worker, asked, len(claims)),
                *(("took", claim.payload.id, claim.receipt, worker) for claim in claims),
            ]
        )
        return claims

    return witnessed


def _lent(claim: Claim) -> tuple[str, int, str, int]:
    payload = claim.payload
    return payload.id, payload.executions + 1, claim.receipt, payload.deliveries


def _told(settlement: Settlement) -> tuple[str, int, str, str]:
    """Job, attempt, receipt, and what is asked: `end` ends the attempt, the others do not."""
    claim = settlement.claim
    attempt = claim.payload.executions + 1
    return claim.payload.id, attempt, claim.receipt, _word(settlement)


def _word(settlement: Settlement) -> str:
    match settlement:
        case Ack():
            return "done"
        case Bury():
            return "dead"
        case Requeue(claim=claim, payload=payload):
            return "retry" if payload.executions > claim.payload.executions else "again"
        case Release():
            return "release"
        case Checkpoint():
            return "checkpoint"
