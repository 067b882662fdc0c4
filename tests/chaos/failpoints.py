"""Places where a process can be made to end, fail or wait: one for each gap between two steps.

They are put in from outside, into the process that is to be struck, and only there: in the code
itself there is nothing, so that nothing is paid for them where jobs are run in earnest.
"""

from __future__ import annotations

import importlib
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from jobkit import backends
from jobkit.adapter import Adapter, Requeue, Settlement
from jobkit.errors import AdapterError

__all__ = ["ENDED", "GAPS", "Act", "Gap", "arm"]

ENDED: Final = 137
"""What a process that a failpoint ends exits with: as if it had been killed."""


class Act(StrEnum):
    """What happens to who comes to the place."""

    EXIT = "exit"
    RAISE = "raise"
    BLOCK = "block"


class Struck(Exception):
    """What is raised where no store is asked; nobody expects it."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A place: before or after a function. `nth`: whose coming is struck.

    `place` is `module:name`, or the name alone of a verb of the adapter; `elsewhere` has the places
    inside of adapters that are more than their verbs, by package. `counts` tells which calls are
    meant at all. What fails is the store, or (`inside`) a part of the process.
    """

    place: str
    before: bool = True
    nth: int = 1
    inside: bool = True
    counts: Callable[..., bool] = lambda *_: True
    elsewhere: Mapping[str, tuple[str, bool]] = field(default_factory=dict)

    def here(self) -> tuple[Any, str, bool]:
        """The owner and name of the function in this process, and whether it is struck before."""
        adapter = type(backends.get_adapter())
        package = adapter.__module__.partition(".")[0]
        place, before = self.elsewhere.get(package, (self.place, self.before))
        if ":" not in place:
            return adapter, place, before
        module, _, names = place.partition(":")
        *outer, name = names.split(".")
        owner: Any = importlib.import_module(module)
        for each in outer:
            owner = getattr(owner, each)
        return owner, name, before


def _holds_a_retry(adapter: Adapter, settlements: Sequence[Settlement]) -> bool:
    del adapter
    return any(
        isinstance(each, Requeue) and each.payload.executions > each.claim.payload.executions
        for each in settlements
    )


GAPS: Final[Mapping[str, Gap]] = MappingProxyType(
    {
        "after_claim": Gap("jobkit.worker.claimer:Claimer._hand_over"),
        "before_start": Gap("jobkit.worker.performing:Performer.perform", nth=3),
        "after_finish": Gap("jobkit.worker.settler:Settler.deliver", nth=3),
        "before_ack_flush": Gap("jobkit.worker.settler:Settler._settle"),
        "after_ack_sent": Gap("settle", before=False, inside=False),
        "before_retry": Gap("settle", inside=False, counts=_holds_a_retry),
        "in_reap_after_cas": Gap(
            "recover",
            before=False,
            inside=False,
            elsewhere={"jobkit_sql": ("jobkit_sql.lending:Lending.held", True)},
        ),
        "in_shutdown_giveback": Gap("jobkit.worker.process:Worker.retire"),
        "after_commit_before_enqueue": Gap("enqueue", nth=3, inside=False),
    }
)


def arm(gap: Gap, act: Act, *, seconds: float, strikes: Callable[[], object]) -> None:
    """Put it into this process, once and for all; it strikes once.

    `strikes` is called just before; a block lasts so many `seconds`.
    """
    owner, name, before = gap.here()
    function = getattr(owner, name)
    lock, come = threading.Lock(), iter(range(gap.nth))

    def is_struck(given: Sequence[Any]) -> bool:
        if not gap.counts(*given):
            return False
        with lock:
            return next(come, None) == gap.nth - 1

    def come_by(given: Sequence[Any]) -> None:
        if is_struck(given):
            strikes()
            _strike(gap, act, seconds)

    def first(*given: Any, **options: Any) -> Any:
        come_by(given)
        return function(*given, **options)

    def afterwards(*given: Any, **options: Any) -> Any:
        answer = function(*given, **options)
        come_by(given)
        return answer

    setattr(owner, name, first if before else afterwards)


def _strike(gap: Gap, act: Act, seconds: float) -> None:
    match act:
        case Act.EXIT:
            os._exit(ENDED)
        case Act.RAISE if gap.inside:
            raise Struck
        case Act.RAISE:
            raise AdapterError("struck by a failpoint")
        case Act.BLOCK:
            time.sleep(seconds)
