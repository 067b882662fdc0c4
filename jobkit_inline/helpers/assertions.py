"""`assert_enqueued`, `assert_performed` and their opposites."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from jobkit.jobs import Job
from jobkit.jobs.options import When
from jobkit_inline.helpers import using
from jobkit_inline.helpers.blocks import Block, either_way
from jobkit_inline.helpers.criteria import Criteria, criteria
from jobkit_inline.helpers.report import Report
from jobkit_inline.helpers.seen import JobRef, Predicate, Seen, all_seen

__all__ = ["assert_enqueued", "assert_no_enqueued", "assert_no_performed", "assert_performed"]

if TYPE_CHECKING:

    class Found(Job, AbstractContextManager[Job]):
        """The first match; what `as` names is like it when its block has ended."""


Nothing: TypeAlias = AbstractContextManager[None]


@either_way
def assert_enqueued(
    job: JobRef | Predicate | None = None,
    *,
    args: Sequence[Any] | Predicate | None = None,
    kwargs: Mapping[str, Any] | Predicate | None = None,
    queue: str | Predicate | None = None,
    at: When | Predicate | None = None,
    priority: int | Predicate | None = None,
    count: int | None = None,
) -> Block[Found]:
    """Fail unless a job like this waits, or exactly `count` of them; the first as an instance.

    What is not given is ignored. `job` is a class, a function job or a name; every value may
    instead be a predicate of the job's value. Arguments are compared after loading, positional
    ones as lists; `at`, an aware datetime or epoch seconds, within one second of when the job is
    due. As a context manager it looks only at what its block enqueued.

        job = assert_enqueued(WelcomeEmail, args=[1], queue="mailers")

        with assert_enqueued(WelcomeEmail, kwargs=lambda kwargs: "locale" in kwargs):
            sign_up("ada@example.org")
    """
    wanted = criteria(job, args=args, kwargs=kwargs, queue=queue, at=at, priority=priority)
    return _Present(_enqueued("assert_enqueued"), wanted, count)


@either_way
def assert_no_enqueued(
    job: JobRef | Predicate | None = None,
    *,
    args: Sequence[Any] | Predicate | None = None,
    kwargs: Mapping[str, Any] | Predicate | None = None,
    queue: str | Predicate | None = None,
    at: When | Predicate | None = None,
    priority: int | Predicate | None = None,
) -> Block[Nothing]:
    """Fail if a job like this waits; the rules are those of `assert_enqueued`."""
    wanted = criteria(job, args=args, kwargs=kwargs, queue=queue, at=at, priority=priority)
    return _Absent(_enqueued("assert_no_enqueued"), wanted)


@either_way
def assert_performed(
    job: JobRef | Predicate | None = None,
    *,
    args: Sequence[Any] | Predicate | None = None,
    kwargs: Mapping[str, Any] | Predicate | None = None,
    queue: str | Predicate | None = None,
    at: When | Predicate | None = None,
    priority: int | Predicate | None = None,
    count: int | None = None,
) -> Block[Found]:
    """Fail unless a run like this started, or exactly `count`; the first job as an instance.

    Every run counts, whatever its outcome, a retry included; otherwise the rules are those of
    `assert_enqueued`. The inline adapter remembers its last 1,000 runs.
    """
    wanted = criteria(job, args=args, kwargs=kwargs, queue=queue, at=at, priority=priority)
    return _Present(_performed("assert_performed"), wanted, count)


@either_way
def assert_no_performed(
    job: JobRef | Predicate | None = None,
    *,
    args: Sequence[Any] | Predicate | None = None,
    kwargs: Mapping[str, Any] | Predicate | None = None,
    queue: str | Predicate | None = None,
    at: When | Predicate | None = None,
    priority: int | Predicate | None = None,
) -> Block[Nothing]:
    """Fail if a run like this started; the rules are those of `assert_performed`."""
    wanted = criteria(job, args=args, kwargs=kwargs, queue=queue, at=at, priority=priority)
    return _Absent(_performed("assert_no_performed"), wanted)


@dataclass(frozen=True, slots=True)
class _Ledger:
    """Where an assertion looks: what was `verb` after a mark."""

    verb: str
    mark: Callable[[], int]
    since: Callable[[int], list[Seen]]


def _enqueued(helper: str) -> _Ledger:
    adapter = using.fake(helper)

    def since(mark: int) -> list[Seen]:
        return all_seen((job.payload for job in adapter.waiting(mark)), waiting=True)

    return _Ledger("enqueued", adapter.mark, since)


def _performed(helper: str) -> _Ledger:
    adapter = using.stage(helper)
    return _Ledger(
        "performed",
        adapter.mark,
        lambda mark: all_seen(adapter.performed(mark), waiting=False),
    )


class _Assertion(Block[Any]):
    """Looks at all there is, or at what came since its block began."""

    def __init__(self, ledger: _Ledger, wanted: Criteria) -> None:
        self._ledger = ledger
        self._wanted = wanted
        self._since = 0
        self._found: Job | None = None

    def __getattr__(self, name: str) -> Any:
        if self._found is None:
            raise AttributeError(f"no {name!r}: the block has not ended with a match")
        return getattr(self._found, name)

    def now(self) -> Any:
        __tracebackhide__ = True
        return self._checked("")

    def __enter__(self) -> Any:
        self._since = self._ledger.mark()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        __tracebackhide__ = True
        if kind is None:
            self._found = self._checked(" in the block")

    def _checked(self, where: str) -> Job | None:
        __tracebackhide__ = True
        there = self._ledger.since(self._since)
        matches = [
            seen
            for seen in there
            if self._wanted.is_of_class(seen) and not self._wanted.differences(seen)
        ]
        problem = self._problem(matches, there, Report(self._wanted, self._ledger.verb, where))
        if problem is not None:
            raise AssertionError(problem)
        return matches[0].job if matches else None

    def _problem(self, matches: list[Seen], there: list[Seen], report: Report) -> str | None:
        """The text of the failure; None when all is well."""
        raise NotImplementedError


class _Present(_Assertion):
    """At least one match, or as many as were asked for."""

    def __init__(self, ledger: _Ledger, wanted: Criteria, count: int | None) -> None:
        super().__init__(ledger, wanted)
        self._count = count

    def _problem(self, matches: list[Seen], there: list[Seen], report: Report) -> str | None:
        enough = bool(matches) if self._count is None else len(matches) == self._count
        return None if enough else report.too_few_or_many(matches, there, self._count)


class _Absent(_Assertion):
    """No match."""

    def _problem(self, matches: list[Seen], there: list[Seen], report: Report) -> str | None:
        return report.unwanted(matches) if matches else None
