"""The thread that says the worker lives, and hears what is asked of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from jobkit.adapter import Beat, Claim
from jobkit.errors import AdapterError
from jobkit.worker.desk import Desk, new_identity
from jobkit.worker.part import Part, Patience

__all__ = ["Heart"]

PUBLISH: Final = 1.0
"""Seconds within which a change of what runs is published."""

_log = logging.getLogger("jobkit.worker")


class Heart(Part):
    """Beats, hears orders, and registers the worker anew when it was declared dead."""

    name = "heart"

    def __init__(
        self,
        desk: Desk,
        drop: Callable[[], object],
        beaten: Callable[[], object],
        cancel: Callable[[Claim], object] = lambda claim: None,
    ) -> None:
        """`drop` forgets the jobs that have not started, when they are no longer this worker's.

        `cancel` ends at once what can be ended so.
        `beaten` is told of every beat that came through.
        """
        super().__init__(desk)
        self._drop = drop
        self._tell = beaten
        self._cancel = cancel
        self._patience = Patience(self.name)
        self._published: frozenset[str] = frozenset()

    def register(self) -> None:
        """Announce the worker under its identity. Raises AdapterError."""
        desk = self.desk
        sent = desk.clock.monotonic()
        desk.adapter.beat(
            desk.identity,
            lease=desk.options.lease,
            claims=[],
            register=True,
            presence=desk.presence(),
        )
        desk.beaten = sent

    def work(self) -> None:
        """Beat until asked to end."""
        pause = min(PUBLISH, self.desk.options.beat_every)
        while not self.ending.wait(pause):
            if self._due():
                self._beat()

    def _due(self) -> bool:
        since = self.desk.clock.monotonic() - self.desk.beaten
        changed = self._published != frozenset(self.desk.held)
        return changed or self.desk.fenced.is_set() or since >= self.desk.options.beat_every

    def _beat(self) -> None:
        desk = self.desk
        held = list(desk.held.values())
        sent = desk.clock.monotonic()
        try:
            answer = desk.adapter.beat(
                desk.identity, lease=desk.options.lease, claims=held, presence=desk.presence()
            )
            if not answer.registered:
                self._register_anew()
        except AdapterError as error:
            # Never longer than until the next is due: it may be the last that saves the lease.
            self.ending.wait(min(self._patience.failed(error), desk.options.beat_every))
            return
        self._patience.worked()
        if answer.registered:
            desk.beaten = sent
        self._published = frozenset(claim.receipt for claim in held)
        desk.fenced.clear()
        self._obey(answer)
        self._tell()

    def _register_anew(self) -> None:
        """Declared dead: what was held belongs to others, and the old identity stays dead."""
        desk = self.desk
        desk.fenced.set()
        _log.error("%s was declared dead by another worker: it starts anew", desk.identity)
        self._drop()
        desk.held.clear()
        desk.identity = new_identity()
        self.register()

    def _obey(self, answer: Beat) -> None:
        for claim in answer.cancelled:
            self.desk.cancelled.add(claim.receipt)
            self._cancel(claim)
        # Of lost claims the settler hears when it settles them, where receipts fence.
        if not self.desk.adapter.features.fenced:
            lost = {claim.receipt for claim in answer.lost}
            self.desk.lost = lost & self.desk.held.keys()
        if "stop" in answer.orders:
            self.desk.inbox.put("stop")
        elif "quiet" in answer.orders:
            self.desk.inbox.put("quiet")
