"""Jobs that tell what they did in `ran`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from jobkit import (
    Abort,
    BuryJob,
    DiscardJob,
    Job,
    RetryJob,
    SnoozeJob,
    before_perform,
    discard_on,
    job,
    on_exhausted,
    retry_on,
)

ran: list[Any] = []


class Temporary(Exception):
    """An error that a rule of `Flaky` names."""


class Welcome(Job, name="Welcome", queue="mailers"):
    def perform(self, user: object = None, *, locale: str = "en") -> None:
        ran.append(user)


class Cleanup(Job, name="Cleanup"):
    def perform(self, what: object = None) -> None:
        ran.append(what)


class Appointment(Job, name="Appointment"):
    def perform(self, when: datetime) -> None:
        ran.append(when)


@job(name="notify", queue="low")
def notify(text: str = "") -> str:
    ran.append(text)
    return text


@retry_on(Temporary, wait=60, attempts=3, jitter=None)
class Flaky(Job, name="Flaky"):
    """Fails until its `succeeds`th run; 0 is never."""

    def perform(self, succeeds: int = 0) -> None:
        ran.append(self.executions)
        if self.executions != succeeds:
            raise Temporary(f"run {self.executions}")


class Failing(Job, name="Failing"):
    def perform(self) -> None:
        ran.append(self.executions)
        raise LookupError("no rule names this")


class Exhausting(Job, name="Exhausting", retry=2):
    def perform(self) -> None:
        raise LookupError("no rule names this")

    @on_exhausted
    def tell(self, error: BaseException) -> None:
        ran.append("exhausted")


@discard_on(Temporary)
class Unwanted(Job, name="Unwanted"):
    def perform(self) -> None:
        ran.append("unwanted")
        raise Temporary


class Chain(Job, name="Chain"):
    """Enqueues itself with one less, `delay` seconds later, down to none."""

    def perform(self, more: int, delay: float = 0) -> None:
        ran.append(more)
        if more:
            Chain.perform_in(delay, more - 1, delay)


SAYINGS: dict[str, Callable[[], Exception]] = {
    "retry": lambda: RetryJob(wait=60),
    "snooze": lambda: SnoozeJob(60),
    "discard": DiscardJob,
    "bury": BuryJob,
}


class Saying(Job, name="Saying"):
    """Says what should happen to it, at its first run."""

    def perform(self, what: str) -> None:
        ran.append(what)
        if ran.count(what) == 1:
            error = SAYINGS[what]()
            raise error


class Halting(Job, name="Halting"):
    @before_perform
    def halt(self) -> None:
        raise Abort

    def perform(self) -> None:
        ran.append("not to be run")


class Endless(Job, name="Endless"):
    def perform(self) -> None:
        raise SnoozeJob(1)


class Later(Job, name="Later"):
    """Runs on an event loop."""

    async def perform(self, nested: bool = False) -> None:
        ran.append("nested" if nested else "later")
        if not nested:
            Later.perform_later(True)
