"""`perform_enqueued_jobs` and `drain`."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from jobkit.adapter import State
from jobkit.capabilities import StoredJob
from jobkit.jobs.options import When, moment_seconds
from jobkit_inline.fake import FakeAdapter, Where
from jobkit_inline.helpers import using
from jobkit_inline.helpers.blocks import Block, either_way
from jobkit_inline.helpers.seen import AnyOf, any_of, seen
from jobkit_inline.helpers.ticking import Ticks, publish

__all__ = ["drain", "perform_enqueued_jobs"]

if TYPE_CHECKING:

    class Runs(int, AbstractContextManager[None]):
        """The number of runs; or, with `with`, nothing."""


@either_way
def perform_enqueued_jobs(
    only: AnyOf | None = None,
    exclude: AnyOf | None = None,
    queue: str | None = None,
    at: When | None = None,
) -> Block[Runs]:
    """Run the jobs that wait now, due or not, once each and in order; the number of runs.

    What they enqueue, their retries included, goes on waiting. An error that no rule answers for
    is raised after its outcome was recorded. As a context manager it runs every job that is
    enqueued inside at once, nested ones and retries too, whatever their delay.

    `only` or `exclude` take a job class, a function job, several, or a predicate of the job
    instance; `queue` a name; `at` leaves out what is due later (jobs without a time are in).
    """
    return _Performing(using.fake("perform_enqueued_jobs"), _meant(only, exclude, queue, at))


def drain(until: When | timedelta | None = None, *, recurring: bool = False) -> int:
    """Run jobs as they fall due, moving a virtual clock, until none is left; the number of runs.

    Delays, retries and deaths happen as in life; failures go through the rules and are not
    raised. With `until` (an aware datetime, epoch seconds, or a timedelta from the virtual now)
    what is due later goes on waiting, and entries that were added with `jobkit.recurring.add`
    tick. `recurring` has those tick, too, that the application declares or configures: it needs
    `until`, since they have no end. Raises RuntimeError when after 100,000 runs jobs are left.
    """
    adapter = using.fake("drain")
    if until is None:
        if recurring:
            raise ValueError("drain(recurring=True) needs until: what recurs has no end")
        return adapter.drain()
    if isinstance(until, timedelta):
        until = adapter.now() + until.total_seconds()
    if recurring:
        publish(adapter)
    return adapter.drain(moment_seconds(until), recur=Ticks(adapter))


class _Performing(Block["Runs"]):
    def __init__(self, adapter: FakeAdapter, where: Where) -> None:
        self._adapter = adapter
        self._where = where
        self._block = ExitStack()

    def now(self) -> Any:
        return self._adapter.perform(self._where)

    def __enter__(self) -> None:
        self._block.enter_context(self._adapter.performing(self._where))

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._block.close()


def _meant(only: AnyOf | None, exclude: AnyOf | None, queue: str | None, at: When | None) -> Where:
    """Whether a waiting job is to be run."""
    if only is not None and exclude is not None:
        raise ValueError("perform_enqueued_jobs() takes only or exclude, not both")
    of_class = None if only is None else any_of(only)
    but = None if exclude is None else any_of(exclude)
    latest = None if at is None else moment_seconds(at)

    def is_meant(job: StoredJob) -> bool:
        waiting = seen(job.payload, waiting=True)
        return (
            (of_class is None or of_class(waiting))
            and (but is None or not but(waiting))
            and queue in (None, waiting.job.queue)
            and (latest is None or job.state is State.ENQUEUED or job.at <= latest)
        )

    return is_meant
