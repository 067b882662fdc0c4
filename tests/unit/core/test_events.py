"""Named events, and what middleware hears of its process."""

from __future__ import annotations

import pytest

import jobkit
from jobkit import Middleware, events, middleware
from tests.unit.core.support import Heard


class TestEvents:
    def test_a_subscriber_hears_what_is_told(self, heard: Heard) -> None:
        error = KeyError()
        events.emit("bury", job="job", adapter="adapter", duration=1.5, error=error, reason="why")
        event = heard.only("bury")
        assert (event.job, event.adapter, event.duration) == ("job", "adapter", 1.5)
        assert (event.error, event.data) == (error, {"reason": "why"})

    def test_subscribing_twice_does_not_double(self, heard: Heard) -> None:
        assert events.subscribe(heard) is heard
        events.emit("bury")
        assert heard.names == ["bury"]

    def test_after_unsubscribing_nothing_is_heard(self, heard: Heard) -> None:
        events.unsubscribe(heard)
        events.unsubscribe(heard)
        events.emit("bury")
        assert not heard.events
        assert not events.subscribed()

    def test_a_subscriber_may_name_what_it_wants_to_hear(self) -> None:
        some = events.subscribe(Heard(), names=("bury", "perform"))
        events.emit("bury")
        events.emit("discard")
        events.emit_run("job", "adapter", 0.5, "outcome")
        assert some.names == ["bury", "perform"]
        assert some.only("perform").data == {"outcome": "outcome"}
        with pytest.raises(ValueError, match="'burry'"):
            events.subscribe(some, names=("bury", "burry"))

    def test_runs_may_be_heard_of_without_an_event(
        self, heard: Heard, caplog: pytest.LogCaptureFixture
    ) -> None:
        told: list[object] = []

        def broken(*_: object) -> None:
            raise RuntimeError("broken")

        events.subscribe(broken, names=(), runs=broken)
        some = events.subscribe(Heard(), runs=lambda *run: told.append(run))
        events.emit_run("job", "adapter", 0.5, "outcome")
        events.emit("bury")
        assert (told, some.names) == ([("job", "outcome", 0.5)], ["bury"])
        assert heard.names == ["perform", "bury"]
        assert "an event subscriber failed on 'perform'" in caplog.text

    def test_a_subscriber_that_raises_is_logged_and_the_next_hears(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        @events.subscribe
        def fail(event: object) -> None:
            raise RuntimeError("broken")

        heard = events.subscribe(Heard())
        events.emit("bury")
        assert heard.names == ["bury"]
        assert "an event subscriber failed on 'bury'" in caplog.text

    def test_every_event_has_a_description(self) -> None:
        assert all(text for text in jobkit.events.NAMES.values())


class TestProcess:
    def test_the_innermost_hears_first_of_the_end_and_last_of_the_beginning(self) -> None:
        log: list[str] = []

        class Outer(Middleware):
            def startup(self, worker: object) -> None:
                log.append(f"{type(self).__name__} up")

            def shutdown(self, worker: object) -> None:
                log.append(f"{type(self).__name__} down")

        class Inner(Outer):
            pass

        middleware.add(Outer())
        middleware.add(Inner())
        middleware.tell("startup", None)
        middleware.tell("shutdown", None)
        assert log == ["Outer up", "Inner up", "Inner down", "Outer down"]

    def test_one_that_raises_is_reported_and_the_next_hears(self, heard: Heard) -> None:
        log: list[object] = []

        class Broken(Middleware):
            def beat(self, worker: object) -> None:
                raise SystemExit

        class Listens(Middleware):
            def beat(self, worker: object) -> None:
                log.append(worker)

        middleware.add(Broken())
        middleware.add(Listens())
        middleware.tell("beat", "worker")
        assert log == ["worker"]
        assert heard.only("hook_error").data == {"where": "beat"}
