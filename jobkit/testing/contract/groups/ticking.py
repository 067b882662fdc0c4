"""Ticking: recurring entries are kept, and each of their ticks is enqueued once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from jobkit.adapter import Adapter
from jobkit.capabilities import StoredEntry, SupportsTicks
from jobkit.testing.clock import ManualClock
from jobkit.testing.contract.support import payload, peek

__all__ = ["Ticking"]


class Ticking:
    """`SupportsTicks`."""

    def test_an_entry_is_kept_as_it_was_put(
        self, ticker: SupportsTicks, clock: ManualClock
    ) -> None:
        began = clock.time()
        ticker.put_entry("b", '{"ä": "\\u0000"}', "app one")
        clock.advance(5)
        ticker.put_entry("a", "text", "")
        assert ticker.entries() == (
            clock.time(),
            [
                StoredEntry("a", "text", "", clock.time()),
                StoredEntry("b", '{"ä": "\\u0000"}', "app one", began),
            ],
        )

    def test_another_connection_sees_the_entry(
        self, ticker: SupportsTicks, connect: Callable[[], Adapter]
    ) -> None:
        ticker.put_entry("a", "text", "")
        other = connect()
        assert isinstance(other, SupportsTicks)
        assert [entry.name for entry in other.entries()[1]] == ["a"]

    def test_an_entry_put_again_is_replaced_and_keeps_its_past(
        self, ticker: SupportsTicks, clock: ManualClock
    ) -> None:
        began = clock.time()
        ticker.put_entry("a", "text", "one")
        ticker.tick("a", began + 1, first := payload())
        ticker.pause_entry("a", paused=True)
        since = clock.time()
        clock.advance(60)
        ticker.put_entry("a", "other", "two")
        last = max(since, began + 1)
        runs = ((began + 1, first.id),)
        assert ticker.entries()[1] == [StoredEntry("a", "other", "two", last, True, runs)]

    def test_an_entry_put_anew_has_no_ticks_in_the_past(
        self, ticker: SupportsTicks, clock: ManualClock
    ) -> None:
        ticker.put_entry("a", "text", "")
        clock.advance(60)
        ticker.put_entry("a", "text", "", anew=True)
        assert not ticker.tick("a", clock.time() - 1, payload())
        assert not ticker.tick("a", clock.time(), payload())
        assert ticker.tick("a", clock.time() + 1, payload())

    def test_putting_anew_never_sets_the_latest_tick_back(
        self, ticker: SupportsTicks, clock: ManualClock
    ) -> None:
        ticker.put_entry("a", "text", "")
        ticker.tick("a", clock.time() + 100, payload())
        ticker.put_entry("a", "text", "", anew=True)
        assert not ticker.tick("a", clock.time() + 50, payload())

    def test_a_tick_enqueues_its_job_once(
        self, adapter: Adapter, ticker: SupportsTicks, clock: ManualClock
    ) -> None:
        ticker.put_entry("a", "text", "")
        at = clock.time() + 1
        job = payload(queue="q")
        assert ticker.tick("a", at, job)
        assert not ticker.tick("a", at, payload(queue="q"))
        assert not ticker.tick("a", at - 0.5, payload(queue="q"))
        assert peek(adapter, "q") == [job.id]
        assert ticker.entries()[1][0].last == at

    def test_the_ticks_of_one_entry_do_not_keep_another_from_its_own(
        self, adapter: Adapter, ticker: SupportsTicks, clock: ManualClock
    ) -> None:
        jobs = [payload(), payload()]
        for name, job in zip("ab", jobs, strict=True):
            ticker.put_entry(name, "text", "")
            assert ticker.tick(name, clock.time() + 1, job)
        assert peek(adapter) == [job.id for job in jobs]

    def test_the_latest_ten_ticks_are_remembered(
        self, ticker: SupportsTicks, clock: ManualClock
    ) -> None:
        ticker.put_entry("a", "text", "")
        ticks = [(clock.time() + nth, payload()) for nth in range(1, 13)]
        for at, job in ticks:
            ticker.tick("a", at, job)
        latest = tuple((at, job.id) for at, job in reversed(ticks[2:]))
        assert ticker.entries()[1][0].runs == latest

    def test_an_unknown_entry_does_not_tick(
        self, adapter: Adapter, ticker: SupportsTicks, clock: ManualClock
    ) -> None:
        assert not ticker.tick("a", clock.time() + 1, payload())
        ticker.put_entry("a", "text", "")
        assert ticker.remove_entry("a")
        assert not ticker.remove_entry("a")
        assert not ticker.tick("a", clock.time() + 1, payload())
        assert peek(adapter) == []

    def test_a_paused_entry_does_not_tick_and_what_it_missed_is_over(
        self, adapter: Adapter, ticker: SupportsTicks, clock: ManualClock
    ) -> None:
        ticker.put_entry("a", "text", "")
        assert ticker.pause_entry("a", paused=True)
        assert ticker.entries()[1][0].paused
        clock.advance(60)
        assert not ticker.tick("a", clock.time() - 1, payload())
        assert ticker.pause_entry("a", paused=False)
        assert not ticker.tick("a", clock.time() - 1, payload())
        job = payload()
        assert ticker.tick("a", clock.time() + 1, job)
        assert peek(adapter) == [job.id]

    def test_an_unknown_entry_cannot_be_paused(self, ticker: SupportsTicks) -> None:
        assert not ticker.pause_entry("a", paused=True)

    def test_of_many_at_once_one_enqueues_each_tick(
        self, adapter: Adapter, ticker: SupportsTicks, clock: ManualClock
    ) -> None:
        ticker.put_entry("a", "text", "")
        began = clock.time()

        def tick_all(_: int) -> int:
            return sum(ticker.tick("a", began + nth, payload()) for nth in range(1, 21))

        with ThreadPoolExecutor(8) as threads:
            enqueued = sum(threads.map(tick_all, range(8)))
        at_most = [at for at, _ in ticker.entries()[1][0].runs]
        assert enqueued == len(peek(adapter)) <= 20
        assert at_most[0] == began + 20
        assert len(set(at_most)) == len(at_most)
