"""The verbs of a job that is waited for."""

from __future__ import annotations

from typing import Any, Self

from jobkit.jobs.plan import plan_of

__all__ = ["Resulting"]


class Resulting:
    """What `Job` has of them."""

    @classmethod
    def with_id(cls, job_id: str) -> Self:
        """The job with this id, for `result` and `cancel`; nothing looks whether it is there."""
        job: Any = cls()
        job._plan = plan_of(cls)
        job._given = {}
        job.id = job_id
        job.successfully_enqueued = True
        return job  # type: ignore[no-any-return]

    def result(self, timeout: float | None = None) -> Any:
        """Wait until the job has ended, at most so many seconds, and return what it returned.

        Of a class with `store_result`. Raises JobFailed when it failed for good, NoResult when it
        was discarded or cancelled, or no result is kept (any more), SerializationError when what
        it returned is no JSON, TimeoutError when the time is over.
        """
        # Loaded by those who use it: importing jobkit must be quick.
        from jobkit.jobs.results import result_of  # noqa: PLC0415

        return result_of(self, timeout)

    async def aresult(self, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - see `result`
        """`result` without blocking the event loop."""
        # Loaded by those who use it: importing jobkit must be quick.
        from jobkit.jobs.results import aresult_of  # noqa: PLC0415

        return await aresult_of(self, timeout)
