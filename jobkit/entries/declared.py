"""The entries that the application brings: over its classes, and in its configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, TypedDict, TypeVar, cast

from jobkit import settings
from jobkit.clock import as_seconds
from jobkit.entries.entry import GRACE, CatchUp, Entry
from jobkit.entries.jobs import class_named, envelope_of
from jobkit.errors import ConfigurationError, DeserializationError, SerializationError
from jobkit.jobs import FunctionJob, Job
from jobkit.jobs.options import Seconds
from jobkit.jobs.plan import plan_of
from jobkit.settings import nearest

__all__ = [
    "EntryOptions",
    "declare",
    "entry_named",
    "entry_of",
    "forget",
    "job_class_of",
    "own_entries",
]

T = TypeVar("T")


class EntryOptions(TypedDict, total=False):
    """What an entry may be given besides its expression and its job."""

    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    queue: str
    timezone: str
    catch_up: CatchUp
    grace: Seconds


@dataclass(frozen=True, slots=True)
class _Declared:
    """`@recurring` over a class. Compiled when it is wanted: the class's decorators run first."""

    cron: str
    job_class: type[Job]
    options: EntryOptions


_SHAPES: Final[Mapping[str, tuple[str, Any]]] = {
    "cron": ("text", str),
    "job": ("text", str),
    "args": ("a list", (list, tuple)),
    "kwargs": ("a table", Mapping),
    "queue": ("text", str),
    "timezone": ("text", str),
    "catch_up": ("text", str),
    "grace": ("seconds", (int, float, timedelta)),
    "backend": ("text", str),
}
"""What a configured entry may hold."""

_declared: dict[str, _Declared] = {}


def declare(cron: str, job: Any, name: str | None, options: EntryOptions) -> None:
    """Note an entry for the class. Raises TypeError or ValueError for one that cannot be."""
    job_class = job_class_of(job)
    job_name = plan_of(job_class).name
    name = name or job_name
    known = _declared.get(name)
    if known is not None and plan_of(known.job_class).name != job_name:
        raise ValueError(f"there is a recurring entry {name!a} already: give another name=")
    _entry(name, cron, job_name, options)
    _declared[name] = _Declared(cron, job_class, options)


def forget(name: str) -> None:
    """Take back what was declared under this name (for tests)."""
    _declared.pop(name, None)


def job_class_of(job: Any) -> type[Job]:
    """The class of a job, be it written as a class or as a function. Raises TypeError."""
    if isinstance(job, FunctionJob):
        return job.job_class
    if isinstance(job, type) and issubclass(job, Job):
        return job
    raise TypeError(f"{ascii(job)[:200]} is no job: give a subclass of Job, or an @job function")


def entry_of(name: str, cron: str, job_class: type[Job], options: EntryOptions) -> Entry:
    """The entry, its arguments dumped as an enqueue would.

    Raises TypeError, ValueError or SerializationError for what cannot be enqueued.
    """
    plan = plan_of(job_class)
    args, kwargs = plan.arguments.dump(options.get("args", ()), options.get("kwargs", {}))
    entry = _entry(name, cron, plan.name, _complete(options))
    envelope = envelope_of(job_class, args, kwargs)
    return replace(entry, args=tuple(args), kwargs=kwargs, envelope=envelope)


def entry_named(name: str, cron: str, job: str, options: EntryOptions) -> Entry:
    """The entry of a job that is known by its name. Raises ValueError."""
    entry = _entry(name, cron, job, _complete(options))
    job_class = class_named(job)
    if job_class is None:
        return entry
    plan = plan_of(job_class)
    plan.arguments.load(entry.args, entry.kwargs)
    envelope = envelope_of(job_class, entry.args, entry.kwargs)
    return replace(entry, job=plan.name, envelope=envelope)


def own_entries(backend: str) -> dict[str, Entry]:
    """The entries of this process that belong into the backend, by name.

    Raises ConfigurationError, naming the place.
    """
    found: dict[str, Entry] = {}
    for name, declared in _declared.items():
        if plan_of(declared.job_class).options.backend == backend:
            found[name] = _compiled(name, declared)
    for name, table in settings.current().recurring.items():
        entry, its_backend = _configured(name, table)
        if its_backend == backend:
            found[name] = entry
    return found


def _compiled(name: str, declared: _Declared) -> Entry:
    try:
        return entry_of(name, declared.cron, declared.job_class, declared.options)
    except SerializationError:
        raise
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"the recurring entry {name!a}: {error}") from error


def _configured(name: str, table: Mapping[str, Any]) -> tuple[Entry, str]:
    try:
        return _of_table(name, table)
    except (TypeError, ValueError, DeserializationError) as error:
        raise ConfigurationError(f"{settings.where('recurring', name)}: {error}") from error


def _of_table(name: str, table: Mapping[str, Any]) -> tuple[Entry, str]:
    for key, value in table.items():
        if key not in _SHAPES:
            known = nearest(key, _SHAPES)
            raise ValueError(f"{key!a} is no key of a recurring entry, {known!a} is")
        if not isinstance(value, _SHAPES[key][1]):
            raise ValueError(f"{key} must be {_SHAPES[key][0]}")  # noqa: TRY004 - of a file
    cron, job = _text(table, "cron"), _text(table, "job")
    options = {key: value for key, value in table.items() if key in EntryOptions.__annotations__}
    entry = entry_named(name, cron, job, cast("EntryOptions", options))
    return entry, table.get("backend") or _backend_of(job)


def _backend_of(job: str) -> str:
    job_class = class_named(job)  # unknown here, a worker that imports it brings the rest
    return "default" if job_class is None else plan_of(job_class).options.backend


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    if value is None:
        raise ValueError(f"a recurring entry needs {key!a}")
    return str(value)


def _entry(name: str, cron: str, job: str, options: EntryOptions) -> Entry:
    return Entry(
        name=name,
        cron=cron,
        job=job,
        args=tuple(options.get("args", ())),
        kwargs=dict(options.get("kwargs", {})),
        queue=options.get("queue"),
        timezone=options.get("timezone", "UTC"),
        catch_up=options.get("catch_up", "last"),
        grace=as_seconds(options.get("grace", GRACE)),
    )


def _complete(options: EntryOptions) -> EntryOptions:
    """The options, those that were not given as the settings have them."""
    configured = settings.current()
    return {"timezone": configured.timezone, "catch_up": configured.catch_up, **options}
