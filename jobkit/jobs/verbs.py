"""The verbs of a job class, with the options of one call: what `set` returns."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, Unpack, cast, overload

from jobkit import transactions
from jobkit.arguments import REDACTED
from jobkit.jobs import bulk, enqueueing, running
from jobkit.jobs.instances import made
from jobkit.jobs.options import (
    Seconds,
    SetOptions,
    When,
    delay_seconds,
    moment_seconds,
    settings_of,
)
from jobkit.jobs.plan import plan_of

__all__ = ["Configured", "Performs", "Row"]

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
J_co = TypeVar("J_co", covariant=True)
R = TypeVar("R")
T = TypeVar("T")

Row = tuple[Any, ...] | Mapping[str, Any]


class Performs(Protocol[P, R_co, J_co]):
    """What a checker must know of a class: perform's parameters and result, and itself."""

    def perform(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    def _self(self) -> J_co: ...


class Configured(Generic[P, R_co, J_co]):
    """A job class with options for the next enqueue. All verbs end here."""

    def __init__(
        self, job_class: type[Performs[P, R_co, J_co]], options: SetOptions | None = None
    ) -> None:
        self._job_class: Any = job_class
        self._options: SetOptions = {} if options is None else options

    def set(self, /, **options: Unpack[SetOptions]) -> Configured[P, R_co, J_co]:
        """The same with more options. Raises TypeError or ValueError for a wrong one."""
        return Configured(self._job_class, settings_of({**self._options, **options}))

    def new(self, /, *args: P.args, **kwargs: P.kwargs) -> J_co:
        """An instance that is not enqueued yet."""
        return cast("J_co", made(self._job_class, args, kwargs, self._options))

    def perform_later(self, /, *args: P.args, **kwargs: P.kwargs) -> J_co:
        """Store the job and return it."""
        job: Any = made(self._job_class, args, kwargs, self._options)
        enqueueing.store(job)
        stored: J_co = job
        return stored

    def perform_in(self, delay: Seconds, /, *args: P.args, **kwargs: P.kwargs) -> J_co:
        """Store the job to run after `delay`, in seconds or as a timedelta."""
        waiting = self._waiting(wait=delay_seconds(delay), wait_until=None)
        return waiting.perform_later(*args, **kwargs)

    def perform_at(self, when: When, /, *args: P.args, **kwargs: P.kwargs) -> J_co:
        """Store the job to run at `when`, an aware datetime or epoch seconds."""
        waiting = self._waiting(wait=None, wait_until=moment_seconds(when))
        return waiting.perform_later(*args, **kwargs)

    def perform_bulk(self, rows: Iterable[Row], *, spread: Seconds | None = None) -> int:
        """Store a job for each row of arguments and return their number."""
        if "idempotency_key" in self._options:
            raise ValueError("an idempotency_key names one job: perform_bulk stores many")
        private = plan_of(self._job_class).arguments.private
        arguments = (_arguments(row, private=private) for row in rows)
        return bulk.store_rows(self._job_class, arguments, self._options, spread=spread)

    @overload
    def perform_now(
        self: Configured[P, Coroutine[Any, Any, T], Any], /, *args: P.args, **kwargs: P.kwargs
    ) -> T: ...
    @overload
    def perform_now(self: Configured[P, R, Any], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    def perform_now(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Run the job here and return what `perform` returned."""
        return running.perform_now(self.new(*args, **kwargs))

    async def aperform_later(self, /, *args: P.args, **kwargs: P.kwargs) -> J_co:
        """`perform_later` without blocking the event loop."""
        return await transactions.away(self.perform_later, *args, **kwargs)

    async def aperform_bulk(self, rows: Iterable[Row], *, spread: Seconds | None = None) -> int:
        """`perform_bulk` without blocking the event loop."""
        return await transactions.away(self.perform_bulk, rows, spread=spread)

    @overload
    async def aperform_now(
        self: Configured[P, Coroutine[Any, Any, T], Any], /, *args: P.args, **kwargs: P.kwargs
    ) -> T: ...
    @overload
    async def aperform_now(
        self: Configured[P, R, Any], /, *args: P.args, **kwargs: P.kwargs
    ) -> R: ...
    async def aperform_now(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        """`perform_now` from asyncio."""
        return await running.aperform_now(self.new(*args, **kwargs))

    def _waiting(self, **changes: Any) -> Configured[P, R_co, J_co]:
        return Configured(
            self._job_class, settings_of(cast("SetOptions", {**self._options, **changes}))
        )


def _arguments(row: object, *, private: bool) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    if isinstance(row, (tuple, list)):  # asked first: the other question is dear
        return tuple(row), {}
    if isinstance(row, Mapping):
        return (), row
    raise TypeError(
        "perform_bulk takes rows of arguments, tuples or mappings, not "
        f"{REDACTED if private else ascii(row)[:200]}: "
        "for one argument write (value,)"
    )
