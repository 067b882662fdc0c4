"""The options of a class and of a call: their types for checkers, their values checked once."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

from jobkit.backoff import LONGEST
from jobkit.callbacks import refuse_async
from jobkit.clock import as_seconds
from jobkit.handlers import Policy, RetryIn
from jobkit.settings import check_queue_name

if TYPE_CHECKING:
    from jobkit.jobs.limits import AnyLimit
    from jobkit.jobs.unique import Unique

__all__ = [
    "JobOptions",
    "Options",
    "Seconds",
    "SetOptions",
    "When",
    "check_name",
    "check_queue",
    "check_retry",
    "delay_seconds",
    "merged",
    "moment_seconds",
    "refuse_attributes",
    "refuse_unknown",
    "settings_of",
]

Seconds = float | timedelta
When = datetime | float

_LONGEST_NAME: Final = 255
_LAST: Final = 253_402_300_799.0  # of the year 9999, where datetime ends


class JobOptions(TypedDict, total=False):
    """The class keywords of a job, and the options of `@job`."""

    name: str
    queue: str | Callable[[Any], str]
    priority: int
    retry: bool | int
    dead: bool
    retry_in: RetryIn | None
    retry_for: Seconds | None
    timeout: Seconds | None
    isolation: Literal["thread", "process"]
    max_memory: int | None
    expires_in: Seconds | None
    backend: str
    aliases: Collection[str]
    version: int
    tags: Collection[str]
    log_arguments: bool
    redact: Collection[str]
    after_commit: bool
    encrypt: bool
    limits: Collection[AnyLimit]
    unique: Unique | None
    max_run_time: Seconds | None
    max_resumptions: int | None
    store_result: Seconds | None


class SetOptions(TypedDict, total=False):
    """The options of `set`: for the next enqueue only."""

    wait: Seconds | None
    wait_until: When | None
    queue: str
    priority: int
    timeout: Seconds | None
    expires_in: Seconds | None
    tags: Collection[str]
    backend: str
    idempotency_key: str
    unique: Unique | None


@dataclass(frozen=True, slots=True)
class Options:
    """A class's options as they are used; durations in seconds."""

    queue: str | Callable[[Any], str] = "default"
    priority: int = 0
    policy: Policy = Policy()
    timeout: float | None = None
    isolation: Literal["thread", "process"] = "thread"
    max_memory: int | None = None
    expires_in: float | None = None
    backend: str = "default"
    aliases: tuple[str, ...] = ()
    version: int = 1
    tags: tuple[str, ...] = ()
    log_arguments: bool = True
    redact: frozenset[str] = field(default_factory=frozenset)
    after_commit: bool = False
    encrypt: bool = False
    limits: tuple[AnyLimit, ...] = ()
    unique: Unique | None = None
    max_run_time: float | None = None
    max_resumptions: int | None = None
    store_result: float | None = None

    demands: bool = field(init=False)
    """True when the payloads of the class's jobs have more fields than others."""

    def __post_init__(self) -> None:
        demands = (
            self.expires_in is not None
            or self.timeout is not None
            or self.unique is not None
            or self.version > 1
            or bool(self.limits)
        )
        object.__setattr__(self, "demands", demands)


def merged(parent: Options, given: JobOptions, owner: str) -> Options:
    """The parent's options with these changed. Raises TypeError or ValueError for a wrong one."""
    refuse_unknown(given, JobOptions.__annotations__, owner)
    try:
        # Former names are a class's own: what inherits from it was never called that.
        options = replace(parent, **{"aliases": (), **_checked(parent, given)})
        _unique(options.unique, encrypt=options.encrypt)
        if options.max_memory is not None and options.isolation == "thread":
            raise ValueError("max_memory needs isolation='process': threads share their memory")
        if options.encrypt and options.store_result is not None:
            raise ValueError("store_result goes not with encrypt: results are not encrypted")
    except (TypeError, ValueError) as error:
        raise type(error)(f"{owner}: {error}") from None
    return options


def settings_of(given: SetOptions) -> SetOptions:
    """The options of a call, checked."""
    refuse_unknown(given, SetOptions.__annotations__, "set()")
    if given.get("wait") is not None and given.get("wait_until") is not None:
        raise ValueError("set() takes wait or wait_until, not both")
    if "queue" in given:
        check_queue(given["queue"])
    if "priority" in given:
        _whole("priority", given["priority"])
    if "tags" in given:
        _names("tags", given["tags"])
    for name in ("backend", "idempotency_key"):
        _some_text(name, given.get(name, "none given"))
    _duration("timeout", given.get("timeout"))
    _duration("expires_in", given.get("expires_in"))
    _unique(given.get("unique"))
    if (wait := given.get("wait")) is not None:
        delay_seconds(wait)
    if (until := given.get("wait_until")) is not None:
        moment_seconds(until)
    return given


def refuse_unknown(given: Mapping[str, Any], known: Mapping[str, Any], owner: str) -> None:
    """Raise TypeError for an option there is not, naming the nearest one there is."""
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            raise TypeError(f"{owner}: unknown option {name!r}; {hint}")


def refuse_attributes(members: Mapping[str, Any], owner: str) -> None:
    """Raise TypeError for an option that is written as an attribute, where nobody would see it."""
    for name in ("queue", "priority", "tags"):
        if name in members:
            raise TypeError(
                f"{owner}.{name} is what each job has: as an option of the class write"
                f" class {owner}(Job, {name}=...)"
            )


def check_queue(name: object) -> str:
    """The queue's name. Raises TypeError or ValueError for what no store could hold as one."""
    if not isinstance(name, str):
        raise TypeError(f"queue is {name!a}: give a name, or a callable of the job")
    return check_queue_name(name)


def check_name(name: object) -> str:
    """A job's registered name. Raises ValueError unless it is printable and not too long."""
    return _printable("name", name)


def delay_seconds(delay: Seconds) -> float:
    """A delay in seconds; below zero means now. Raises ValueError above ten years."""
    seconds = _seconds("the delay", delay)
    if seconds > LONGEST:
        raise ValueError(
            f"a delay of {seconds:.0f} seconds is above 10 years: give the moment to perform_at "
            "(or wait_until) instead"
        )
    return max(0.0, seconds)


def moment_seconds(when: When) -> float:
    """A moment as seconds since the epoch. Raises ValueError for a datetime without a zone."""
    if isinstance(when, datetime):
        if when.tzinfo is None or when.utcoffset() is None:
            raise ValueError(
                f"{when!r} has no time zone: give an aware datetime, such as "
                "datetime.now(timezone.utc) + timedelta(hours=1), or epoch seconds"
            )
        return when.timestamp()
    seconds = _seconds("the moment", when, "an aware datetime or epoch seconds")
    if seconds > _LAST:
        raise ValueError(
            f"the moment {seconds:.0f} is beyond the year 9999: give epoch seconds, not "
            "milliseconds"
        )
    return seconds


def _checked(parent: Options, given: Mapping[str, Any]) -> dict[str, Any]:
    checks: dict[str, Callable[[Any], Any]] = {
        "queue": lambda queue: (
            refuse_async("queue", queue) if callable(queue) else check_queue(queue)
        ),
        "priority": lambda value: _whole("priority", value),
        "timeout": lambda value: _duration("timeout", value),
        "expires_in": lambda value: _duration("expires_in", value),
        "isolation": _isolation,
        "max_memory": _megabytes,
        "version": _version,
        "tags": lambda value: _names("tags", value),
        "aliases": lambda value: _names("aliases", value),
        "redact": lambda value: frozenset(_names("redact", value)),
        "backend": lambda value: _text("backend", value),
        "log_arguments": lambda value: _yes_or_no("log_arguments", value),
        "after_commit": lambda value: _yes_or_no("after_commit", value),
        "encrypt": lambda value: _yes_or_no("encrypt", value),
        "limits": _limits,
        "unique": _unique,
        "max_run_time": lambda value: _duration("max_run_time", value),
        "max_resumptions": _resumptions,
        "store_result": lambda value: _duration("store_result", value),
    }
    values = {name: check(given[name]) for name, check in checks.items() if name in given}
    return {**values, "policy": _policy(parent.policy, given)}


def _policy(parent: Policy, given: Mapping[str, Any]) -> Policy:
    changes: dict[str, Any] = {}
    if "retry" in given:
        changes["retry"] = check_retry(given["retry"])
    if "dead" in given:
        changes["dead"] = _yes_or_no("dead", given["dead"])
    if "retry_for" in given:
        changes["retry_for"] = _duration("retry_for", given["retry_for"])
    if "retry_in" in given:
        changes["retry_in"] = _callable("retry_in", given["retry_in"])
    return replace(parent, **changes)


def check_retry(value: object) -> bool | int:
    """The option `retry`. Raises ValueError unless it is a bool or a number from 0."""
    if isinstance(value, bool) or (isinstance(value, int) and value >= 0):
        return value
    raise ValueError(f"retry is {value!r}: give True, False or a number of retries from 0")


def _callable(name: str, value: Any) -> Any:
    if value is not None and not callable(value):
        raise TypeError(f"{name} is {value!r}: give a callable of (executions, error)")
    return refuse_async(name, value)


def _limits(value: object) -> tuple[AnyLimit, ...]:
    # Loaded by those who use it: importing jobkit must be quick.
    from jobkit.jobs.limits import check_limits  # noqa: PLC0415

    return check_limits(value)


def _unique(value: object, *, encrypt: bool = False) -> Unique | None:
    if value is None:
        return None
    # Loaded by those who use it: importing jobkit must be quick.
    from jobkit.jobs.unique import check_unique  # noqa: PLC0415

    return check_unique(value, encrypt=encrypt)


def _isolation(value: object) -> Literal["thread", "process"]:
    match value:
        case "thread":
            return "thread"
        case "process":
            return "process"
        case _:
            pass
    raise ValueError(f"isolation is {ascii(value)[:200]}: give 'thread' or 'process'")


def _megabytes(value: object) -> int | None:
    if value is None:
        return None
    most = _whole("max_memory", value)
    if most < 1:
        raise ValueError(f"max_memory is {most}: give whole megabytes from 1")
    return most


def _version(value: object) -> int:
    version = _whole("version", value)
    if version < 1:
        raise ValueError(f"version is {version}: give a whole number from 1")
    return version


def _resumptions(value: object) -> int | None:
    most = None if value is None else _whole("max_resumptions", value)
    if most is not None and most < 0:
        raise ValueError(f"max_resumptions is {most}: give a number from 0, or None")
    return most


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is {value!r}: give a whole number")
    return value


def _yes_or_no(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} is {value!r}: give True or False")
    return value


def _duration(name: str, value: Seconds | None) -> float | None:
    if value is None:
        return None
    seconds = _seconds(name, value)
    if seconds <= 0:
        raise ValueError(f"{name} is {value!r}: give more than 0 seconds")
    return seconds


def _seconds(name: str, value: Seconds, wanted: str = "seconds or a timedelta") -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, timedelta)):
        raise TypeError(f"{name} is {ascii(value)[:200]}: give {wanted}")
    try:
        seconds = as_seconds(value)
    except OverflowError:
        seconds = math.inf
    if not math.isfinite(seconds):
        raise ValueError(f"{name} is {seconds}: give a finite number of seconds")
    return seconds


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} is {value!r}: give text")
    return value


def _some_text(name: str, value: object) -> str:
    if not _text(name, value):
        raise ValueError(f"{name} is empty: give text, or leave it out")
    return str(value)


def _names(option: str, values: object) -> tuple[str, ...]:
    if isinstance(values, str) or not isinstance(values, Collection):
        raise TypeError(f"{option} is {values!r}: give a list of names")
    return tuple(_printable(option, value) for value in values)


def _printable(option: str, text: object) -> str:
    if not isinstance(text, str) or not text.isprintable() or not 0 < len(text) <= _LONGEST_NAME:
        raise ValueError(
            f"{option}: {ascii(text)[:200]} is not 1 to {_LONGEST_NAME} printable characters"
        )
    return text
