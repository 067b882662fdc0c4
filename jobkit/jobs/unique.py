"""`Unique`: what makes jobs of a class equal, and the lock that follows from it."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal, get_args

from jobkit.callbacks import refuse_async
from jobkit.clock import as_seconds
from jobkit.locks import Lock, OnConflict, Until

__all__ = ["Unique", "check_unique", "lock_of"]

_ARGS: Final = "args"
_QUEUE: Final = "queue"
_Ends = Literal["start", "success"]
_Conflict = Literal["skip", "replace", "raise"]


@dataclass(frozen=True, slots=True)
class Unique:
    """Of equal jobs of a class the store holds one at a time.

        class Reindex(Job, unique=Unique(by=("product_id",), until="start")): ...

    `by` says what equal means: "args" (all arguments), names of `perform`'s parameters, "queue";
    or a callable of the job that gives a JSON value, None for a job that is not unique at all.
    None of them is one job for the whole class.

    `until` says how long a job keeps others out: "success", from its enqueue through all retries
    until it has ended (in the dead set it does not any more); "start", until a worker takes it up;
    a timedelta, for that long after it is due, whatever becomes of it.

    `on_conflict` says what becomes of a job that comes meanwhile: "skip", it is not stored, its
    `successfully_enqueued` is False and its `duplicate_of` the id of the one that is; "replace",
    it takes the place of the other if that still waits, and is skipped if not; "raise", the call
    stores nothing and raises DuplicateJob.
    """

    by: Collection[str] | Callable[[Any], Any] = (_ARGS,)
    until: _Ends | timedelta = "success"
    on_conflict: _Conflict = "skip"

    def __post_init__(self) -> None:
        """Raise TypeError or ValueError for what cannot be."""
        object.__setattr__(self, "by", _checked_by(self.by))
        if isinstance(self.until, timedelta):
            if self.until <= timedelta():
                raise ValueError(f"until is {self.until!r}: give more than no time")
        elif self.until not in get_args(_Ends):
            raise ValueError(f"until is {self.until!a}: give 'start', 'success' or a timedelta")
        if self.on_conflict not in get_args(_Conflict):
            raise ValueError(
                f"on_conflict is {self.on_conflict!a}: give 'skip', 'replace' or 'raise'"
            )


def check_unique(value: object, *, encrypt: bool = False) -> Unique:
    """The option `unique`. Raises TypeError or ValueError for a wrong one."""
    if not isinstance(value, Unique):
        raise TypeError(f"unique is {ascii(value)[:200]}: give jobkit.Unique(...), or None")
    if encrypt and not callable(value.by) and set(value.by) - {_QUEUE}:
        raise ValueError(
            "unique compares arguments by a digest that the store keeps readable, and encrypt "
            "hides them: give by= a callable of the job, or none of the arguments"
        )
    return value


def lock_of(job: Any, unique: Unique) -> Lock | None:
    """The lock of a job that is about to be stored; None when its callable says so.

    Raises TypeError for a name that is no parameter of `perform`, or a value that is not JSON.
    """
    compared = unique.by(job) if callable(unique.by) else _compared(job, unique.by)
    if compared is None:
        return None
    key = _digest(job._plan.name, compared)
    on_conflict = OnConflict(unique.on_conflict)
    if isinstance(unique.until, timedelta):
        return Lock(key, Until.TIME, on_conflict, as_seconds(unique.until))
    return Lock(key, Until(unique.until), on_conflict)


def _checked_by(by: object) -> Any:
    if callable(by):
        return refuse_async("by", by)
    if isinstance(by, str) or not isinstance(by, Collection):
        raise TypeError(f"by is {ascii(by)[:200]}: give a tuple of names, or a callable of the job")
    if not all(isinstance(name, str) for name in by):
        raise TypeError(f"by is {ascii(by)[:200]}: give names as text")
    return tuple(sorted(set(by)))


def _compared(job: Any, names: Collection[str]) -> dict[str, Any]:
    """What the names stand for. An argument that was not given differs from any that was."""
    arguments = job._plan.arguments
    args, kwargs = job._dumped or arguments.dump(*job._arguments)
    given = arguments.by_name(args, kwargs)
    found: dict[str, Any] = {}
    for name in names:
        if name == _ARGS:
            found[name] = given
        elif name == _QUEUE:
            found[name] = job.queue
        elif name in given:
            found[f"={name}"] = given[name]
        elif name not in arguments.names:
            raise TypeError(
                f"{job._plan.name}: unique by {name!a}, which is no parameter of perform: there "
                f"are {', '.join([*arguments.names, _ARGS, _QUEUE])}"
            )
    return found


def _digest(job_class: str, compared: Any) -> str:
    # Loaded here: importing jobkit must not load OpenSSL.
    from hashlib import sha256  # noqa: PLC0415

    try:
        text = json.dumps([job_class, compared], sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{job_class}: what unique compares must be JSON values ({error})"
        ) from None
    return sha256(text.encode()).hexdigest()
