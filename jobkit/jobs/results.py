"""Results of jobs: written as JSON when they end, and waited for by whoever asks."""

from __future__ import annotations

import time
from dataclasses import replace
from time import monotonic
from typing import Any, Final, assert_never

from jobkit import transactions
from jobkit.adapter import Ack, Bury, Enqueues, Settlement, State
from jobkit.capabilities import StoredJob, SupportsInspect, require
from jobkit.errors import JobFailed, NoResult, SerializationError
from jobkit.jobs.enqueueing import adapter_of, require_results
from jobkit.jobs.kept import is_failure, read, written
from jobkit.jobs.running import Run
from jobkit.outcome import Outcome
from jobkit.results import Result

__all__ = ["aresult_of", "result_of", "with_result"]

_SHORTEST: Final = 0.005
_LONGEST: Final = 0.25
"""Seconds between two looks, growing from one to the other."""

_FIRST_SEARCH: Final = 0.5
_LAST_SEARCH: Final = 10.0
"""Seconds between two searches for the job itself, which cost more; growing alike."""

_MISSES: Final = 5
"""Looks in vain for a job that may have gone from place to place while a store was searched."""

_BASE: Final = "jobkit.jobs.base"
"""Of a job known by its name only, which is made of `Job` itself, nobody here knows the options."""

_OVER: Final = (State.DEAD, State.COMPLETED)


def with_result(settlement: Settlement, run: Run, outcome: Outcome, now: float) -> Settlement:
    """The settlement of a job that ends, with its result. `now` is wall time in seconds."""
    seconds = run.store_result
    if seconds is None or not isinstance(settlement, Ack | Bury):
        return settlement
    took = None if run.began is None else monotonic() - run.began
    text = written(settlement.claim.payload, outcome, at=now, took=took)
    return replace(settlement, result=Result(text, seconds))


def result_of(job: Any, timeout: float | None) -> Any:
    """See `Job.result`."""
    waiting = _Waiting(job, timeout)
    while (text := waiting.looked()) is None:
        time.sleep(waiting.pause)
    return _read(job, text)


async def aresult_of(job: Any, timeout: float | None) -> Any:  # noqa: ASYNC109 - as `result` has it
    """See `Job.aresult`."""
    import asyncio  # noqa: PLC0415 - heavy, and not needed by all

    waiting = _Waiting(job, timeout)
    while (text := await transactions.away(waiting.looked)) is None:  # noqa: ASYNC110 - other processes end jobs
        await asyncio.sleep(waiting.pause)
    return _read(job, text)


class _Waiting:
    """Looks for the result of a job, again and again."""

    def __init__(self, job: Any, timeout: float | None) -> None:
        _refuse_hopeless(job)
        adapter: Enqueues = adapter_of(job)
        self._job = job
        self._results = require_results(adapter, job._plan.name)
        self._store = require(adapter, SupportsInspect, "inspection")  # type: ignore[type-abstract]
        self._timeout = timeout
        now = monotonic()
        self._ends = None if timeout is None else now + timeout
        self._search_after, self._search_at = _FIRST_SEARCH, now + _FIRST_SEARCH
        self.pause = _SHORTEST / 2
        """Seconds to wait before the next look."""

    def looked(self) -> str | None:
        """The result's text, None to look again after a pause.

        Raises TimeoutError when the time is over, JobFailed or NoResult when none will come.
        """
        text = self._results.result(self._job.id)
        if text is not None and not (is_failure(text) and self._goes_on()):
            return text
        now = monotonic()
        over = self._ends is not None and now >= self._ends
        if over or now >= self._search_at:
            self._search_after = min(self._search_after * 2, _LAST_SEARCH)
            self._search_at = now + self._search_after
            if (found := self._searched()) is not None:
                return found
        if over:
            raise TimeoutError(f"{self._job!r} has not ended within {self._timeout:g} s")
        self.pause = min(self.pause * 2, _LONGEST)
        if self._ends is not None:
            self.pause = max(0.0, min(self.pause, self._ends - now))
        return None

    def _goes_on(self) -> bool:
        """True for a job that had failed for good and was taken out of the dead set to run."""
        found = self._found()
        return found is not None and found.state not in _OVER

    def _searched(self) -> str | None:
        """Look for the job itself; its result if that came meanwhile."""
        for _ in range(_MISSES):
            found = self._found()
            if found is not None and found.state not in _OVER:
                return None
            if (text := self._results.result(self._job.id)) is not None:
                return text
            if found is not None:
                raise _ended(self._job, found)
        raise NoResult(
            f"{self._job!r} is not in the store, and no result of it is: it was cancelled or "
            "deleted, its result has expired, or it was never stored"
        )

    def _found(self) -> StoredJob | None:
        return next(iter(self._store.find([self._job.id])), None)


def _refuse_hopeless(job: Any) -> None:
    if job._plan.options.store_result is None and type(job).__module__ != _BASE:
        raise NoResult(
            f"{job._plan.name} stores no results: give the class store_result=..., how long one is "
            "kept"
        )
    if job.successfully_enqueued is False:
        raise NoResult(f"{job!r} was not stored, so that it has no result")


def _ended(job: Any, found: StoredJob) -> JobFailed | NoResult:
    if found.state is State.DEAD:
        fields = found.payload.fields
        error_class = str(fields.get("error_class") or "")
        return _failure(job, error_class, str(fields.get("error_message") or ""))
    return NoResult(f"{job!r} has ended, and no result of it is kept")


def _read(job: Any, text: str) -> Any:
    kept = read(text)
    match kept.kind:
        case "value":
            return kept.told
        case "failed":
            raise _failure(job, *kept.told)
        case "discarded":
            raise NoResult(f"{job!r} was discarded: {kept.told}")
        case "lost":
            raise SerializationError(
                f"{job!r} has succeeded, but what its perform returned is no JSON: {kept.told}"
            )
        case _:
            assert_never(kept.kind)


def _failure(job: Any, error_class: str, message: str) -> JobFailed:
    text = f"{job!r} failed for good: {error_class}: {message}"
    return JobFailed(text, error_class=error_class, error_message=message)
