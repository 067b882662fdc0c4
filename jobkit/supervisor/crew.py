"""The slots of a supervisor, and who is in them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from jobkit.clock import Clock
from jobkit.supervisor.child import Child
from jobkit.supervisor.rules import Backoff

__all__ = ["Crew"]

_log = logging.getLogger("jobkit.supervisor")


@dataclass
class Slot:
    """A place for one child. `incoming` is to take over from it; `due`: when the next starts."""

    child: Child | None = None
    incoming: Child | None = None
    due: float | None = None
    backoff: Backoff = field(default_factory=Backoff)

    @property
    def closed(self) -> bool:
        """True when it is empty and stays so."""
        return self.child is None and self.incoming is None and self.due is None


class Crew:
    """Fills the slots, keeps them filled, and replaces one child after another on request."""

    def __init__(
        self, start: Callable[[], Child], retire: Callable[[Child], None], clock: Clock
    ) -> None:
        """`start` makes a child or raises OSError; `retire` tells one to leave."""
        self._start = start
        self._retire = retire
        self._clock = clock
        self._slots: list[Slot] = []
        self._outgoing: list[Child] = []
        self._rolling: list[Slot] = []

    def __iter__(self) -> Iterator[Child]:
        """All children, those that leave included."""
        for slot in self._slots:
            yield from (child for child in (slot.child, slot.incoming) if child is not None)
        yield from self._outgoing

    def is_newcomer(self, child: Child) -> bool:
        """True for one that is to take over from a child which still lives."""
        return any(child is slot.incoming for slot in self._slots)

    @property
    def over(self) -> bool:
        """True when no child is left and none will come."""
        return not self._outgoing and all(slot.closed for slot in self._slots)

    @property
    def unready(self) -> int:
        """Slots whose child is not ready, or not there."""
        open_ = [slot for slot in self._slots if not slot.closed]
        return sum(slot.child is None or slot.child.hello is None for slot in open_)

    @property
    def next_due(self) -> float | None:
        """When a slot is to be filled again, in monotonic seconds."""
        return min((slot.due for slot in self._slots if slot.due is not None), default=None)

    def grow(self, size: int) -> None:
        """Have at least so many slots."""
        missing = size - len(self._slots)
        self._slots += [Slot(due=self._clock.monotonic()) for _ in range(missing)]

    def fill(self) -> None:
        """Start a child in every slot whose time has come."""
        now = self._clock.monotonic()
        for slot in self._slots:
            if slot.due is not None and now >= slot.due:
                slot.child = self._started()
                slot.due = None if slot.child else now + slot.backoff.died(None)

    def close(self) -> None:
        """Start no more children, whatever becomes of those there are."""
        self._rolling.clear()
        for slot in self._slots:
            slot.due = None

    def roll(self) -> None:
        """Replace every child, one slot after the other: first the new one, then the old leaves."""
        self._rolling = [slot for slot in self._slots if not slot.closed]
        self._roll_on()

    def relieve(self, child: Child) -> None:
        """Start who takes over from this child, which is about to leave by itself."""
        self._rolling += [slot for slot in self._slots if slot.child is child and not slot.incoming]
        self._roll_on()

    def ready(self, child: Child) -> None:
        """A child said hello: what it replaces leaves."""
        for slot in self._slots:
            if child is slot.incoming:
                if slot.child is not None:
                    self._outgoing.append(slot.child)
                    self._retire(slot.child)
                slot.child, slot.incoming = child, None
            if child is slot.child:
                slot.backoff.became_ready()
        self._roll_on()

    def lost(self, child: Child, *, replace: bool) -> None:
        """A child is dead: its slot, if it still had one, is filled again or stays empty."""
        self._outgoing = [each for each in self._outgoing if each is not child]
        for slot in self._slots:
            if child is slot.incoming:
                slot.incoming = None
                self._rolling.clear()
                if not child.told_to_stop:
                    _log.error("the new worker process did not come up: the others stay")
            elif child is slot.child:
                self._vacate(slot, child, replace=replace)

    def _vacate(self, slot: Slot, child: Child, *, replace: bool) -> None:
        # Whoever was to take over does so now.
        slot.child, slot.incoming = slot.incoming, None
        if slot.child is None and replace:
            slot.due = self._clock.monotonic() + slot.backoff.died(child.ready_for)

    def _roll_on(self) -> None:
        while self._rolling and all(slot.incoming is None for slot in self._slots):
            slot = self._rolling.pop(0)
            if slot.child is None:
                continue  # the next to come has the new code anyway
            slot.incoming = self._started()
            if slot.incoming is None:
                self._rolling.clear()

    def _started(self) -> Child | None:
        try:
            return self._start()
        except OSError as error:
            _log.error("no worker process could be started: %s", error)
            return None
