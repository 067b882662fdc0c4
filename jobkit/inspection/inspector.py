"""The one object through which a store is read and operated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final, TypedDict, Unpack

from jobkit.adapter import Enqueues, State
from jobkit.capabilities import (
    DayStats,
    JobFilter,
    LimitInfo,
    Move,
    QueueInfo,
    Stats,
    StoredJob,
    SupportsInspect,
    SupportsLimits,
    SupportsManage,
    SupportsPause,
    WorkerInfo,
    require,
)
from jobkit.clock import SYSTEM, Clock
from jobkit.entries import RecurringEntries, RecurringInfo
from jobkit.errors import Unsupported
from jobkit.inspection.info import JobInfo, Page, ended_info, info_of
from jobkit.inspection.metrics import ClassMetrics, class_metrics
from jobkit.jobs.cancelling import cancel
from jobkit.jobs.options import When, moment_seconds
from jobkit.jobs.reviving import rewritten, to_run
from jobkit.measures import KEPT, MinuteStats, SupportsMetrics

if TYPE_CHECKING:
    from jobkit.batching import BatchInfo, BatchPage, SupportsBatches

__all__ = ["Filters", "Inspector"]

_SLICE: Final = 500
_DUE: Final = frozenset({State.SCHEDULED, State.RETRY})
_RUNNABLE: Final = _DUE | {State.DEAD}
_BURIABLE: Final = _DUE | {State.ENQUEUED, State.BLOCKED}
_RESCHEDULABLE: Final = _RUNNABLE | {State.ENQUEUED, State.BLOCKED}
_OVER: Final = frozenset({State.DEAD, State.COMPLETED})
_LISTED: Final = tuple(state for state in State if state is not State.COMPLETED)


class Filters(TypedDict, total=False):
    """Which jobs of a state, as for `Inspector.jobs`; `on_progress` hears how many were changed."""

    queue: str | None
    job: str | None
    text: str | None
    on_progress: Callable[[int], object] | None


class Inspector:
    """Tells what a store holds and changes what waits in it.

    What changes jobs answers with the number changed: ids that are unknown, and jobs in a state
    that does not allow it, are left alone. Running jobs belong to their worker. Every method
    raises AdapterError when the store fails, Unsupported when its adapter has no such ability.
    """

    def __init__(self, adapter: Enqueues, *, clock: Clock = SYSTEM) -> None:
        self._adapter = adapter
        self._clock = clock
        self._store = require(adapter, SupportsInspect, "inspection")  # type: ignore[type-abstract]

    def stats(self) -> Stats:
        """Totals since the store began, and sizes now."""
        return self._store.stats()

    def queues(self) -> list[QueueInfo]:
        """Queues that hold an enqueued job, are paused or are served; by name."""
        return self._store.queues()

    def workers(self) -> list[WorkerInfo]:
        """The worker processes, oldest first."""
        return self._store.workers()

    def history(self, days: int = 30) -> list[DayStats]:
        """The last `days` days (UTC), oldest first, today included."""
        return self._store.history(days)

    def minutes(self, hours: int = 1) -> list[MinuteStats]:
        """The runs of each of the last minutes, oldest first, those without any included.

        Workers write them about a second late, and what one measured last is lost if it is
        killed: `stats` and `history` are exact. Minutes are kept for 8 hours; more are not told.
        """
        return self._measuring.minutes(_clamped(hours))

    def metrics(self, hours: int = 1) -> list[ClassMetrics]:
        """What each class's runs took in the same minutes; those that took most time first."""
        return class_metrics(self._measuring.measures(_clamped(hours)))

    def jobs(
        self,
        state: str | None = None,
        *,
        queue: str | None = None,
        job: str | None = None,
        text: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> Page:
        """A page of jobs in a state; without one, in every state but completed, one by one.

        `queue` and `job` (the class's name) are exact, `text` is looked for in the payload,
        `after` is the `next` of the page before. Raises ValueError for an unknown state, a limit
        below 1, or a cursor that no page gave.
        """
        if limit < 1:
            raise ValueError(f"limit must be 1 or more, not {limit}")
        where = JobFilter(queue, job, text)
        if state is None:
            return self._all_states(where, limit, after)
        page = self._store.jobs(_state(state), where=where, limit=limit, after=after)
        return Page([info_of(stored) for stored in page.items], page.next)

    def find(self, job_id: str) -> JobInfo | None:
        """The job with this id, in any state; one that has ended as long as its result is kept."""
        stored = next(iter(self._store.find([job_id])), None)
        if stored is not None and stored.state not in _OVER:
            return info_of(stored)
        # Loaded by those who use it: importing jobkit must be quick.
        from jobkit.jobs.kept import kept  # noqa: PLC0415

        came_to = kept(self._adapter, job_id)
        if came_to is not None:
            return ended_info(stored, came_to)
        return None if stored is None else info_of(stored)

    def run_now(self, ids: str | Iterable[str]) -> int:
        """Enqueue scheduled, retrying and dead jobs now; they do not expire any more.

        A dead one has a fresh budget.
        """
        return self._move(self._found(ids), self._to_run)

    def discard(self, ids: str | Iterable[str]) -> int:
        """Remove jobs for good, without hooks."""
        return self._delete(self._found(ids))

    def cancel(self, ids: str | Iterable[str]) -> int:
        """Have jobs not run any more, those that run too; the number that had not ended.

        What waits is removed at once, without hooks. A running job is told by its worker, and
        ends at its next checkpoint; see `Job.cancel`.
        """
        remaining = iter([ids] if isinstance(ids, str) else ids)
        cancelled = 0
        while some := list(islice(remaining, _SLICE)):
            cancelled += cancel(self._adapter, some)
        return cancelled

    def bury(self, ids: str | Iterable[str]) -> int:
        """Put waiting jobs into the dead set, without hooks."""
        return self._move(self._found(ids), _to_bury)

    def reschedule(self, job_id: str, when: When) -> int:
        """Have a waiting or dead job run at `when`, an aware datetime or epoch seconds.

        It does not expire any more; a dead one has a fresh budget. Raises ValueError for a
        datetime without a zone.
        """
        at = moment_seconds(when)
        return self._move(self._found(job_id), lambda job: _to_wait(job, at))

    def run_all(self, state: str, **filters: Unpack[Filters]) -> int:
        """`run_now` for all jobs in a state that meet the filters, in slices."""
        return self._each_slice(state, filters, lambda jobs: self._move(jobs, self._to_run))

    def bury_all(self, state: str, **filters: Unpack[Filters]) -> int:
        """`bury` for all jobs in a state that meet the filters, in slices."""
        return self._each_slice(state, filters, lambda jobs: self._move(jobs, _to_bury))

    def discard_all(self, state: str, **filters: Unpack[Filters]) -> int:
        """`discard` for all jobs in a state that meet the filters, in slices."""
        return self._each_slice(state, filters, self._delete)

    def pause(self, queue: str) -> None:
        """Have nothing taken from the queue any more, everywhere."""
        self._pausing.pause(queue)

    def resume(self, queue: str) -> None:
        """Let the queue be worked again."""
        self._pausing.resume(queue)

    def clear(self, queue: str) -> int:
        """Remove all enqueued jobs of the queue; their number."""
        return self._managing.clear(queue)

    def limits(self) -> list[LimitInfo]:
        """The limits that jobs are under now: their places, and how many wait; by key."""
        return require(self._adapter, SupportsLimits, "limits").limits()  # type: ignore[type-abstract]

    def recurring(self) -> list[RecurringInfo]:
        """The recurring entries, by name."""
        return RecurringEntries(self._adapter).list()

    def run_recurring(self, name: str) -> str | None:
        """Enqueue an entry's job once, out of turn; its id, None when middleware stopped it."""
        return RecurringEntries(self._adapter).run_now(name)

    def pause_recurring(self, name: str) -> bool:
        """Have an entry not tick until it is resumed; False when there is none."""
        return RecurringEntries(self._adapter).pause(name)

    def resume_recurring(self, name: str) -> bool:
        """Let an entry tick again; False when there is none."""
        return RecurringEntries(self._adapter).resume(name)

    def batches(self, *, limit: int = 50, after: str | None = None) -> BatchPage:
        """A page of batches, the newest first. Raises ValueError for a limit below 1."""
        if limit < 1:
            raise ValueError(f"limit must be 1 or more, not {limit}")
        return self._batching.batches(limit=limit, after=after)

    def batch(self, batch_id: str) -> BatchInfo | None:
        """The batch with this id; None when there is none, any more."""
        return self._batching.batch(batch_id)

    def batch_jobs(self, batch_id: str, *, failed: bool = False, limit: int = 50) -> list[JobInfo]:
        """Some jobs of a batch that are pending, or that failed and are still in the dead set."""
        members = self._batching.members(batch_id, failed=failed, limit=limit)
        return [info_of(stored) for stored in self._store.find(members.jobs[:limit])]

    def cancel_batch(self, batch_id: str) -> int:
        """Cancel the members that have not ended, see `Batch.cancel`; their number."""
        # Loaded by those who use it: importing jobkit must be quick.
        from jobkit.jobs.members import cancel_members  # noqa: PLC0415

        return cancel_members(self._adapter, batch_id)

    def retry_batch(self, batch_id: str) -> int:
        """Have the dead members run again, see `Batch.retry_failed`; their number."""
        # Loaded by those who use it: importing jobkit must be quick.
        from jobkit.jobs.members import retry_members  # noqa: PLC0415

        return retry_members(self._adapter, batch_id)

    def quiet(self, worker_id: str) -> bool:
        """Tell a worker to take no more jobs, for good; False if there is no such worker."""
        return self._managing.order(worker_id, "quiet")

    def stop(self, worker_id: str) -> bool:
        """Tell a worker to stop as TERM would; False if there is no such worker.

        Raises Unsupported for an embedded one: that would leave its program without a worker.
        """
        if any(each.embedded for each in self.workers() if each.id == worker_id):
            raise Unsupported(f"{worker_id} is embedded: only the program it runs in can stop it")
        return self._managing.order(worker_id, "stop")

    @property
    def _batching(self) -> SupportsBatches:
        # Loaded by those who use it: importing jobkit must be quick.
        from jobkit.batching import SupportsBatches  # noqa: PLC0415

        return require(self._adapter, SupportsBatches, "batches")  # type: ignore[type-abstract]

    @property
    def _managing(self) -> SupportsManage:
        return require(self._adapter, SupportsManage, "changing jobs")  # type: ignore[type-abstract]

    @property
    def _measuring(self) -> SupportsMetrics:
        return require(self._adapter, SupportsMetrics, "metrics")  # type: ignore[type-abstract]

    @property
    def _pausing(self) -> SupportsPause:
        return require(self._adapter, SupportsPause, "pausing queues")  # type: ignore[type-abstract]

    def _all_states(self, where: JobFilter, limit: int, after: str | None) -> Page:
        """A page over all listed states. The cursor is `STATE:` and that state's own cursor."""
        start, cursor = _split(after)
        items: list[JobInfo] = []
        for state in _LISTED[_LISTED.index(start) :]:
            room = limit - len(items)
            page = self._store.jobs(state, where=where, limit=room or 1, after=cursor)
            if not room and page.items:
                return Page(items, f"{state}:")
            items += [info_of(stored) for stored in page.items[:room]]
            if page.next is not None:
                return Page(items, f"{state}:{page.next}")
            cursor = None
        return Page(items, None)

    def _found(self, ids: str | Iterable[str]) -> Iterator[StoredJob]:
        remaining = iter([ids] if isinstance(ids, str) else ids)
        while some := list(islice(remaining, _SLICE)):
            yield from self._store.find(some)

    def _each_slice(
        self, state: str, filters: Filters, change: Callable[[Sequence[StoredJob]], int]
    ) -> int:
        """Change slice after slice, and tell how many were changed so far."""
        where = JobFilter(filters.get("queue"), filters.get("job"), filters.get("text"))
        tell = filters.get("on_progress") or (lambda changed: None)
        changed = 0
        for jobs in self._slices(_state(state), where):
            changed += change(jobs)
            tell(changed)
        return changed

    def _slices(self, state: State, where: JobFilter) -> Iterator[Sequence[StoredJob]]:
        cursor: str | None = None
        while True:
            page = self._store.jobs(state, where=where, limit=_SLICE, after=cursor)
            yield page.items
            if page.next is None:
                return
            cursor = page.next

    def _move(self, jobs: Iterable[StoredJob], change: Callable[[StoredJob], Move | None]) -> int:
        """Move those jobs that `change` gives a new place."""
        managing = self._managing
        moves = [move for job in jobs if (move := change(job)) is not None]
        return managing.move(moves) if moves else 0

    def _delete(self, jobs: Iterable[StoredJob]) -> int:
        managing = self._managing
        waiting = [job for job in jobs if job.state is not State.RUNNING]
        return managing.delete(waiting) if waiting else 0

    def _to_run(self, job: StoredJob) -> Move | None:
        return to_run(job, self._clock.time())


def _clamped(hours: int) -> int:
    return max(1, min(hours, KEPT))


def _state(name: str) -> State:
    if name not in tuple(State):
        raise ValueError(f"there is no state {name!a}: there are {', '.join(State)}")
    return State(name)


def _to_bury(job: StoredJob) -> Move | None:
    return Move(job, job.payload, State.DEAD) if job.state in _BURIABLE else None


def _to_wait(job: StoredJob, at: float) -> Move | None:
    if job.state not in _RESCHEDULABLE:
        return None
    state = State.RETRY if job.state is State.RETRY else State.SCHEDULED
    return rewritten(job, state, scheduled_at=at)


def _split(after: str | None) -> tuple[State, str | None]:
    """The state where a page over all states begins, and the cursor inside it."""
    if after is None:
        return _LISTED[0], None
    state, _, cursor = after.partition(":")
    if state not in _LISTED:
        raise ValueError(f"{after[:200]!a} is no cursor of a list of all states")
    return State(state), cursor or None
