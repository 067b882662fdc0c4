"""Faults to seed into the worker processes of a run, each of which the oracle must find.

They are what a worker or a store does wrong when one of its safeguards is left out. Those whose
name ends in that of a store reach into its adapter, the others into the worker or the protocol.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from jobkit import backends
from jobkit.adapter import Ack, Adapter, Claim, Release, Requeue, Settlement
from jobkit.errors import AdapterError

__all__ = ["MUTATIONS", "seed"]


def seed(name: str) -> None:
    """Break this process in the way that bears the name; an empty one breaks nothing."""
    if name:
        MUTATIONS[name]()


def _patch(name: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Wrap a verb of this process's adapter."""
    adapter = type(backends.get_adapter())
    setattr(adapter, name, wrap(getattr(adapter, name)))


def _without_fence_in_sql() -> None:
    """Receipts are not looked at: whoever comes back from the dead finishes what others run."""
    from jobkit_sql import settle

    def everything(batch: Sequence[Any], valid: set[str]) -> tuple[list[Any], tuple[Claim, ...]]:
        return list(batch), ()

    settle._fenced = everything


def _without_fence_in_redis() -> None:
    """The same on Redis: a claim that is not there any more is settled all the same."""
    from jobkit_redis import scripts

    fence = "if not text or redis.call('HDEL', hash, field) == 0 then"
    none = "redis.call('HDEL', hash, field) text = text or '{}' if false then"
    read = scripts._text

    def unfenced(name: str) -> str:
        text = read(name)
        if name != "settle.lua":
            return text
        assert text.count(fence) == 1
        return text.replace(fence, none)

    scripts._text = unfenced
    scripts.script.cache_clear()


def _ack_before_run() -> None:
    """Done as soon as it is claimed: who dies in between takes the job along."""

    def hasty(claim: Callable[..., list[Claim]]) -> Callable[..., list[Claim]]:
        def acked(self: Adapter, *given: Any, **options: Any) -> list[Claim]:
            claims = claim(self, *given, **options)
            self.settle([Ack(one) for one in claims])
            return claims

        return acked

    _patch("claim", hasty)


def _reap_slowly() -> None:
    """No fault: a watcher that thinks long between seeing a worker dead and taking its jobs."""

    def slow(recover: Callable[..., list[Claim]]) -> Callable[..., list[Claim]]:
        def slowly(self: Adapter, worker: str, *, to: str, beat: int | None = None) -> list[Claim]:
            time.sleep(_THOUGHT)
            return recover(self, worker, to=to, beat=beat)

        return slowly

    _patch("recover", slow)


def _reap_without_comparing() -> None:
    """The same watcher does not look again whether the worker has come back meanwhile."""

    def blind(recover: Callable[..., list[Claim]]) -> Callable[..., list[Claim]]:
        def blindly(self: Adapter, worker: str, *, to: str, beat: int | None = None) -> list[Claim]:
            return recover(self, worker, to=to)

        return blindly

    _patch("recover", blind)
    _reap_slowly()


def _retry_without_ack() -> None:
    """The retry is written as a job of its own, and the claim of the failed run is kept."""

    def split(settle: Callable[..., list[Claim]]) -> Callable[..., list[Claim]]:
        def halves(self: Adapter, settlements: Sequence[Settlement]) -> list[Claim]:
            retries = [each for each in settlements if _is_retry(each)]
            self.enqueue([each.payload for each in retries if isinstance(each, Requeue)])
            return settle(self, [each for each in settlements if not _is_retry(each)])

        return halves

    _patch("settle", split)


def _retry_in_two_steps() -> None:
    """The failed run is acknowledged first and its retry written a moment later."""

    def split(settle: Callable[..., list[Claim]]) -> Callable[..., list[Claim]]:
        def steps(self: Adapter, settlements: Sequence[Settlement]) -> list[Claim]:
            first = [_acked(each) for each in settlements]
            stale = settle(self, first)
            lost = {claim.receipt for claim in stale}
            if retries := [
                each.payload
                for each in settlements
                if isinstance(each, Requeue) and _is_retry(each) and each.claim.receipt not in lost
            ]:
                time.sleep(_GAP)
                self.enqueue(retries)
            return stale

        return steps

    _patch("settle", split)


def _is_retry(settlement: Settlement) -> bool:
    """Of a failed run: what a watcher gives back is requeued, too, but was not run by it."""
    return (
        isinstance(settlement, Requeue)
        and settlement.payload.executions > settlement.claim.payload.executions
    )


def _acked(settlement: Settlement) -> Settlement:
    return Ack(settlement.claim) if _is_retry(settlement) else settlement


def _release_twice() -> None:
    """What is about to run is given back all the same: it is here and elsewhere at once."""

    def generous(claim: Callable[..., list[Claim]]) -> Callable[..., list[Claim]]:
        def lent_twice(self: Adapter, *given: Any, **options: Any) -> list[Claim]:
            claims = claim(self, *given, **options)
            self.settle([Release(one) for one in claims if random.random() < _SOMETIMES])
            return claims

        return lent_twice

    _patch("claim", generous)


def _lose_answers() -> None:
    """No fault of ours: the store lends, and its answer is lost on the way back."""

    def lossy(claim: Callable[..., list[Claim]]) -> Callable[..., list[Claim]]:
        def lost(self: Adapter, *given: Any, **options: Any) -> list[Claim]:
            claims = claim(self, *given, **options)
            if claims and random.random() < _LOST:
                raise AdapterError("the connection broke")
            return claims

        return lost

    _patch("claim", lossy)


def _lose_answers_and_never_ask() -> None:
    """The same worker does not ask what it holds: what was lent stays lent for ever."""

    def ignorant(held: Callable[..., list[Claim]]) -> Callable[..., list[Claim]]:
        del held
        return lambda self, worker: []

    _patch("held", ignorant)
    _lose_answers()


_LOST: Final = 0.1
_THOUGHT: Final = 1.0
_GAP: Final = 0.05
_SOMETIMES: Final = 0.05

MUTATIONS: Final[Mapping[str, Callable[[], None]]] = MappingProxyType(
    {
        "no-fence-sql": _without_fence_in_sql,
        "no-fence-redis": _without_fence_in_redis,
        "ack-before-run": _ack_before_run,
        "slow-reap": _reap_slowly,
        "reap-without-compare": _reap_without_comparing,
        "retry-without-ack": _retry_without_ack,
        "retry-in-two-steps": _retry_in_two_steps,
        "release-twice": _release_twice,
        "lost-claims": _lose_answers,
        "no-reconcile": _lose_answers_and_never_ask,
    }
)
