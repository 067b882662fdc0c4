"""Listing: jobs by state, page by page, each once and in order, whatever happens meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobkit.adapter import Adapter, Bury, Requeue, State
from jobkit.capabilities import JobFilter, SupportsInspect
from jobkit.testing.clock import ManualClock
from jobkit.testing.contract.support import all_jobs, claim_one, enqueue, flat, ids, pages, peek

__all__ = ["Filtering", "Listing", "Placing"]

#: States in which every store keeps jobs, and whether the newest is listed first.
NEWEST_FIRST = {
    State.ENQUEUED: False,
    State.SCHEDULED: False,
    State.RETRY: False,
    State.RUNNING: False,
    State.DEAD: True,
}

_FAR = 86_400

_NO_CURSORS = ["", "x", "\n", "0", "-1", "null", "[]", "{}", "[1e999]", "é", "\ud800", "a" * 10_000]

Place = Callable[..., str]


class Placing:
    """For tests that go through the states."""

    @pytest.fixture(params=NEWEST_FIRST)
    def state(self, request: pytest.FixtureRequest) -> State:
        """Each state in turn."""
        state: State = request.param
        return state

    @pytest.fixture
    def place(self, adapter: Adapter, clock: ManualClock, worker: str) -> Place:
        """Puts a new job with these fields into a state, a second later each; its id."""

        def put(state: State, **fields: Any) -> str:
            clock.advance(1)
            if state is State.SCHEDULED:
                fields["scheduled_at"] = clock.time() + _FAR
            job = enqueue(adapter, **fields)
            if state not in (State.ENQUEUED, State.SCHEDULED):
                _pass_on(adapter, clock, worker, state, job.queue)
            return job.id

        return put


def _pass_on(adapter: Adapter, clock: ManualClock, worker: str, state: State, queue: str) -> None:
    held = claim_one(adapter, worker, queue)
    if state is State.DEAD:
        adapter.settle([Bury(held, held.payload)])
    elif state is State.RETRY:
        later = held.payload.replace(scheduled_at=clock.time() + _FAR)
        adapter.settle([Requeue(held, later, State.RETRY)])


class Listing(Placing):
    """`jobs` without filters."""

    def test_a_state_without_jobs_has_one_empty_page(
        self, inspector: SupportsInspect, state: State
    ) -> None:
        assert list(pages(inspector, state)) == [[]]

    def test_jobs_are_listed_in_the_order_of_their_state(
        self, inspector: SupportsInspect, state: State, place: Place
    ) -> None:
        jobs = [place(state) for _ in range(5)]
        expected = jobs[::-1] if NEWEST_FIRST[state] else jobs
        assert ids(all_jobs(inspector, state)) == expected

    def test_every_job_is_on_one_page(
        self, inspector: SupportsInspect, state: State, place: Place
    ) -> None:
        jobs = [place(state) for _ in range(7)]
        paged = list(pages(inspector, state, limit=3))
        assert [len(page) for page in paged] == [3, 3, 1]
        assert sorted(ids(flat(paged))) == sorted(jobs)

    def test_no_page_follows_the_last_job(
        self, inspector: SupportsInspect, state: State, place: Place
    ) -> None:
        for _ in range(4):
            place(state)
        assert [len(page) for page in pages(inspector, state, limit=2)] == [2, 2]

    def test_a_listed_job_says_where_it_is(
        self, inspector: SupportsInspect, state: State, place: Place
    ) -> None:
        job = place(state)
        (listed,) = all_jobs(inspector, state)
        assert (listed.payload.id, listed.state) == (job, state)
        assert listed.worker == ("worker" if state is State.RUNNING else None)
        assert [listed] == inspector.find([job])

    def test_jobs_are_listed_in_their_own_state_only(
        self, inspector: SupportsInspect, place: Place
    ) -> None:
        jobs = {state: place(state, queue=state.value) for state in NEWEST_FIRST}
        for state, job in jobs.items():
            assert ids(all_jobs(inspector, state)) == [job]

    def test_many_that_share_one_moment_are_on_their_pages(
        self, adapter: Adapter, inspector: SupportsInspect, clock: ManualClock
    ) -> None:
        due = clock.time() + _FAR
        jobs = [enqueue(adapter, scheduled_at=due).id for _ in range(10)]
        paged = list(pages(inspector, State.SCHEDULED, limit=3))
        assert sorted(ids(flat(paged))) == sorted(jobs)

    def test_enqueued_jobs_are_listed_as_they_will_be_claimed(
        self, adapter: Adapter, inspector: SupportsInspect, place: Place
    ) -> None:
        urgent = [5, 0, -5, 0, 5, -5] if adapter.features.priority else [0] * 6
        for priority in urgent:
            place(State.ENQUEUED, priority=priority)
        where = JobFilter(queue="default")
        paged = list(pages(inspector, State.ENQUEUED, where, limit=2))
        assert ids(flat(paged)) == peek(adapter)

    def test_waiting_jobs_are_listed_as_they_fall_due(
        self, adapter: Adapter, inspector: SupportsInspect, clock: ManualClock
    ) -> None:
        jobs = {w: enqueue(adapter, scheduled_at=clock.time() + w).id for w in (30, 10, 20)}
        listed = ids(all_jobs(inspector, State.SCHEDULED))
        assert listed == [jobs[wait] for wait in (10, 20, 30)]

    def test_jobs_of_all_queues_are_listed(self, inspector: SupportsInspect, place: Place) -> None:
        jobs = [place(State.ENQUEUED, queue=queue) for queue in ("b", "a", "c", "b", "a")]
        paged = list(pages(inspector, State.ENQUEUED, limit=2))
        assert sorted(ids(flat(paged))) == sorted(jobs)

    @pytest.mark.parametrize("cursor", _NO_CURSORS)
    def test_text_that_is_no_cursor_is_an_error_that_says_so(
        self, inspector: SupportsInspect, state: State, place: Place, cursor: str
    ) -> None:
        place(state)
        with pytest.raises(ValueError, match="cursor"):
            inspector.jobs(state, after=cursor)

    def test_nothing_is_shown_twice_when_more_come_in(
        self, inspector: SupportsInspect, state: State, place: Place
    ) -> None:
        jobs = [place(state) for _ in range(6)]
        shown: list[str] = []
        for page in pages(inspector, state, limit=2):
            shown += ids(page)
            if len(shown) < len(jobs):
                place(state, queue="more")
        assert len(shown) == len(set(shown))
        assert set(jobs) <= set(shown)


class Filtering(Placing):
    """`jobs` with filters, which are exact names and plain text, never patterns."""

    def test_jobs_can_be_filtered_by_queue(
        self, inspector: SupportsInspect, state: State, place: Place
    ) -> None:
        place(state, queue="mailers")
        mail = place(state, queue="mail")
        assert _found(inspector, state, JobFilter(queue="mail")) == [mail]

    def test_jobs_can_be_filtered_by_class(
        self, inspector: SupportsInspect, state: State, place: Place
    ) -> None:
        for name in ("app.Mailer", "App.Mail", "app.Mail.Later"):
            place(state, **{"class": name})
        mail = place(state, **{"class": "app.Mail"})
        assert _found(inspector, state, JobFilter(job="app.Mail")) == [mail]

    @pytest.mark.parametrize("text", ["100%", "a_b", "[x]*", "größe", "it's", "🦆", "Δ.*"])
    def test_jobs_can_be_filtered_by_plain_text(
        self, inspector: SupportsInspect, state: State, place: Place, text: str
    ) -> None:
        place(state, args=["1000", "aXb", "x", "grosse", "its", "Δxx"])
        wanted = place(state, args=[f"before {text} after"])
        assert _found(inspector, state, JobFilter(text=text)) == [wanted]

    def test_filters_are_combined(
        self, inspector: SupportsInspect, state: State, place: Place
    ) -> None:
        place(state, queue="mail", args=["grace"], **{"class": "Other"})
        place(state, queue="mail", args=["bob"], **{"class": "Mail"})
        place(state, queue="slow", args=["grace"], **{"class": "Mail"})
        wanted = place(state, queue="mail", args=["grace"], **{"class": "Mail"})
        where = JobFilter(queue="mail", job="Mail", text="grace")
        assert _found(inspector, state, where) == [wanted]

    def test_filtered_jobs_come_in_pages_too(
        self, inspector: SupportsInspect, state: State, place: Place
    ) -> None:
        wanted = [place(state, args=[["even", "odd"][nth % 2]]) for nth in range(12)][::2]
        paged = list(pages(inspector, state, JobFilter(text="even"), limit=2))
        assert [len(page) for page in paged] == [2, 2, 2]
        assert sorted(ids(flat(paged))) == sorted(wanted)


def _found(inspector: SupportsInspect, state: State, where: JobFilter) -> list[str]:
    return [job_id for page in pages(inspector, state, where, limit=2) for job_id in ids(page)]
