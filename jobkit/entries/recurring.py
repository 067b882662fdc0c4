"""`jobkit.recurring`: declaring entries over classes, and changing them at run time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, Unpack

from jobkit import backends
from jobkit.adapter import Enqueues
from jobkit.capabilities import StoredEntry, SupportsTicks, require
from jobkit.entries.declared import EntryOptions, declare, entry_named, entry_of, job_class_of
from jobkit.entries.entry import Entry
from jobkit.entries.info import RecurringInfo, info_of
from jobkit.entries.jobs import payload_for
from jobkit.errors import ConfigurationError
from jobkit.jobs import Job
from jobkit.jobs.enqueueing import put
from jobkit.jobs.plan import plan_of

__all__ = ["Recurring", "RecurringEntries", "recurring"]

T = TypeVar("T")

_AT_RUN_TIME: Final = ""


class RecurringEntries:
    """The entries of one store."""

    def __init__(self, adapter: Enqueues) -> None:
        self._adapter = adapter
        self._ticks = require(adapter, SupportsTicks, "recurring entries")  # type: ignore[type-abstract]

    def list(self) -> list[RecurringInfo]:
        """All entries, by name."""
        now, stored = self._ticks.entries()
        return [info_of(each, now) for each in stored]

    def put(self, entry: Entry, owner: str = _AT_RUN_TIME) -> None:
        """Keep an entry; one whose times are new has no ticks in the past."""
        known = self._find(entry.name)
        if known is None or known.text != entry.text or known.owner != owner:
            self._ticks.put_entry(entry.name, entry.text, owner, anew=_other_times(known, entry))

    def add(self, entry: Entry) -> None:
        """Keep an entry of run time. Raises ConfigurationError for the name of one from code."""
        known = self._find(entry.name)
        if known is not None and known.owner != _AT_RUN_TIME:
            raise ConfigurationError(
                f"the recurring entry {entry.name!a} comes from the application's code or"
                " configuration: change it there, or give another name"
            )
        self.put(entry)

    def publish(self, entries: dict[str, Entry], owner: str) -> None:
        """Keep these entries, and forget others of the same owner."""
        for entry in entries.values():
            self.put(entry, owner)
        _, stored = self._ticks.entries()
        for each in stored:
            if each.owner == owner and each.name not in entries:
                self._ticks.remove_entry(each.name)

    def remove(self, name: str) -> bool:
        """Forget an entry; False when there is none."""
        return self._ticks.remove_entry(name)

    def pause(self, name: str) -> bool:
        """Have it not tick until it is resumed; False when there is none."""
        return self._ticks.pause_entry(name, paused=True)

    def resume(self, name: str) -> bool:
        """Let it tick again; ticks that it missed are over. False when there is none."""
        return self._ticks.pause_entry(name, paused=False)

    def run_now(self, name: str) -> str | None:
        """Enqueue its job once, out of turn; the job's id, None when middleware stopped it.

        Of a unique job the id of the equal one, if there is one. Raises ConfigurationError when
        there is no such entry.
        """
        known = self._find(name)
        if known is None:
            raise ConfigurationError(f"there is no recurring entry {name!a}")
        payload = payload_for(Entry.read(known.text), None, backends.now(self._adapter))
        if payload is None:
            return None
        (winner,) = put(self._adapter, [payload])
        return winner or payload.id

    def _find(self, name: str) -> StoredEntry | None:
        _, stored = self._ticks.entries()
        return next((each for each in stored if each.name == name), None)


class Recurring:
    """Jobs that are enqueued again and again, at the times of a cron expression.

        @jobkit.recurring("0 3 * * *", timezone="Europe/Berlin")
        class Cleanup(Job): ...

        jobkit.recurring.add("report", "0 8 * * mon-fri", Report, args=["sales"])

    Workers enqueue each tick exactly once between them. What is added at run time stays in the
    store until it is removed; what stands over a class or in the configuration lives as long as it
    stands there.
    """

    def __call__(
        self, cron: str, *, name: str | None = None, **options: Unpack[EntryOptions]
    ) -> Callable[[T], T]:
        """Declare an entry over a job class or an `@job` function, named after it by default.

        Raises TypeError or ValueError for an expression, zone or option that cannot be.
        """

        def decorate(job: T) -> T:
            declare(cron, job, name, options)
            return job

        return decorate

    def add(
        self,
        name: str,
        cron: str,
        job: Any,
        *,
        backend: str | None = None,
        **options: Unpack[EntryOptions],
    ) -> None:
        """Keep an entry in the store, or replace the one of that name; it ticks from now on.

        `job` is a job class, an `@job` function, or a class's registered name. Raises TypeError,
        ValueError or SerializationError for what cannot be enqueued.
        """
        if isinstance(job, str):
            entry, backend = entry_named(name, cron, job, options), backend or "default"
        else:
            job_class: type[Job] = job_class_of(job)
            entry = entry_of(name, cron, job_class, options)
            backend = backend or plan_of(job_class).options.backend
        _entries(backend).add(entry)

    def remove(self, name: str, *, backend: str = "default") -> bool:
        """Forget an entry; False when there is none."""
        return _entries(backend).remove(name)

    def pause(self, name: str, *, backend: str = "default") -> bool:
        """Have it not tick until it is resumed; False when there is none."""
        return _entries(backend).pause(name)

    def resume(self, name: str, *, backend: str = "default") -> bool:
        """Let it tick again; ticks that it missed are over. False when there is none."""
        return _entries(backend).resume(name)

    def run_now(self, name: str, *, backend: str = "default") -> str | None:
        """Enqueue its job once, out of turn; the job's id, None when middleware stopped it."""
        return _entries(backend).run_now(name)

    def list(self, *, backend: str = "default") -> list[RecurringInfo]:
        """All entries, by name, with when they come next and came last."""
        return _entries(backend).list()


recurring: Final = Recurring()


def _entries(backend: str) -> RecurringEntries:
    return RecurringEntries(backends.get(backend))


def _other_times(known: StoredEntry | None, entry: Entry) -> bool:
    """True when the entry ticks at other times than the stored one, whose past is not its own."""
    if known is None:
        return True
    try:
        before = Entry.read(known.text)
    except ValueError:
        return True
    return before.schedule() != entry.schedule()
