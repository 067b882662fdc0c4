"""`complete_in`: a job finished by the application's own transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from jobkit.adapter import Claim, Enqueues, Settlement
from jobkit.capabilities import SupportsTransactions
from jobkit.errors import LeaseLost, Unsupported
from jobkit.outcome import Outcome, Released, Succeeded
from jobkit.transactions.kept import Kept, send

if TYPE_CHECKING:
    from jobkit.transactions.subjects import Subject

__all__ = ["Completing", "Completion", "Settled", "completing"]

_log = logging.getLogger("jobkit.worker")


@dataclass(frozen=True, slots=True)
class Settled:
    """What a worker has of a claim that was settled already, by the job's own transaction."""

    claim: Claim


class Completion:
    """One run's chance to be settled by a transaction of the application's."""

    # Made for every run and used by few: what all have in common stands in the class.
    _state: Literal["open", "pending", "committed", "lost"] = "open"
    _subject: Subject | None = None

    def __init__(self, adapter: Enqueues, settlement: Callable[[], Settlement]) -> None:
        """`settlement` makes that of a run that ended well."""
        self._adapter = adapter
        self._settlement = settlement

    @property
    def committed(self) -> bool:
        """True when its transaction is known to have settled the job."""
        return self._state == "committed"

    @property
    def adapter(self) -> Enqueues:
        """The store that lent the job."""
        return self._adapter

    def outcome_after(self, error: BaseException) -> Outcome | None:
        """The outcome of a run whose error the failure rules must not see; None for any other.

        After the commit the job is done whatever follows, and one whose lease was lost is the
        business of another worker.
        """
        self._look()
        if self._state == "committed":
            _log.error("a job raised after its transaction had completed it", exc_info=error)
            return Succeeded()
        return Released() if self._state == "lost" else None

    def end(self) -> bool:
        """The run has ended; True when its transaction has settled it.

        A transaction that was left open is rolled back: it holds what settling must change.
        """
        self._look()
        if self._state == "pending":
            self._abandon()
        # It knows the run, whose job knows this: a ring would be left to the collector of garbage,
        # which takes as long as a quarter of all else that a job costs.
        self._settlement = _over
        return self._state == "committed"

    def enter(self, subject: Subject) -> None:
        """Refuse what cannot work before the work is done."""
        if self._state in ("pending", "committed"):
            raise RuntimeError("complete_in: the job was completed before, and that can be once")
        adapter = self._adapter
        if not isinstance(adapter, SupportsTransactions):
            raise Unsupported(f"{type(adapter).__name__} does not support complete_in")
        connection = subject.connection_or_none()
        if connection is None or not adapter.shares(connection):
            raise Unsupported(
                "complete_in: the transaction is not in the database that the job is stored in"
            )

    def settle(self, subject: Subject) -> None:
        """Settle the job through the transaction. Raises LeaseLost when it is another worker's."""
        adapter: Any = self._adapter
        if adapter.settle_through(subject.connection(), [self._settlement()]):
            self._state = "lost"
            subject.roll_back()
            raise LeaseLost("the job was given to another worker: its transaction is rolled back")
        self._state, self._subject = "pending", subject
        subject.keep(Kept(self._committed, self._undone))

    def _committed(self) -> None:
        self._state = "committed"

    def _undone(self) -> None:
        self._state = "open"

    def _look(self) -> None:
        """A bare connection does not tell by itself that it has committed."""
        if self._subject is not None:
            send(self._subject.take())

    def _abandon(self) -> None:
        _log.warning("a job left the transaction of complete_in open: it is rolled back")
        self._state = "open"
        if self._subject is not None:
            try:
                self._subject.abandon()
            except Exception as error:  # noqa: BLE001 - whatever the driver raises, the run is over
                _log.warning("the transaction could not be rolled back", exc_info=error)


def _over() -> Settlement:
    raise LeaseLost("complete_in: the run that is to be completed has ended")


class Completing:
    """The block of `complete_in`. Without a worker that holds the job it does nothing."""

    def __init__(self, completion: Completion | None, subject: Subject) -> None:
        self._completion = completion
        self._subject = subject

    def __enter__(self) -> Self:
        if self._subject.is_async:
            raise TypeError(
                "complete_in of an asynchronous session or connection is awaited: write "
                "`async with self.complete_in(...)`"
            )
        self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if error is None:
            self._end()

    async def __aenter__(self) -> Self:
        if not self._subject.is_async:
            raise TypeError(
                "complete_in of a synchronous session or connection would block the event loop: "
                "write `with self.complete_in(...)`"
            )
        await self._subject.run(self._begin)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if error is None:
            await self._subject.run(self._end)

    def _begin(self) -> None:
        if self._completion is not None:
            self._completion.enter(self._subject)

    def _end(self) -> None:
        if self._completion is not None:
            self._completion.settle(self._subject)


def completing(completion: Completion | None, session_or_connection: Any) -> Completing:
    """The block that settles by this session or connection. Raises TypeError for other objects."""
    # Loaded here: importing jobkit must not load SQLAlchemy.
    from jobkit.transactions.subjects import subject_of  # noqa: PLC0415

    return Completing(completion, subject_of(session_or_connection, "complete_in"))
