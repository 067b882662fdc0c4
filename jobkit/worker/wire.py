"""What a worker process and its supervisor say to each other, a line of JSON each."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

__all__ = [
    "Hello",
    "Joining",
    "Leaving",
    "Lines",
    "Order",
    "Refused",
    "Report",
    "Stuck",
    "decoded",
    "encoded",
]

Order = Literal["quiet", "stop", "hurry", "dump"]
"""From the supervisor: take no more; stop; stop without waiting; write all stacks to stderr."""


@dataclass(frozen=True, slots=True)
class Joining:
    """The process is about to register at the store as `worker`, with a lease in seconds.

    `url` is None when the store lives in the process itself.
    """

    worker: str
    url: str | None
    lease: float


@dataclass(frozen=True, slots=True)
class Hello:
    """It is ready. The application may have configured what the supervisor cannot know: seconds."""

    processes: int
    shutdown_timeout: float
    stall_timeout: float


@dataclass(frozen=True, slots=True)
class Refused:
    """It cannot work as it is configured or imported; the reason is one for people."""

    reason: str


@dataclass(frozen=True, slots=True)
class Stuck:
    """A job does not heed its time limit, and its thread is lost: the process is about to leave.

    Its other jobs get the shutdown time-out; then nothing of it may run any more.
    """


@dataclass(frozen=True, slots=True)
class Leaving:
    """It is about to leave in good order, and still holds what the supervisor is to give back.

    "stopped": it was told to, by whomever; "done": its burst ended; "recycled": it has run as many
    jobs, or taken as much memory, as it may; "broken": a part of it failed.
    """

    why: Literal["stopped", "done", "recycled", "broken"]


Report = Joining | Hello | Refused | Stuck | Leaving
"""From the worker process."""

_KINDS: Final[dict[str, type[Report]]] = {
    kind.__name__: kind for kind in (Joining, Hello, Refused, Stuck, Leaving)
}


def encoded(report: Report) -> bytes:
    """The report as a line."""
    return json.dumps({"kind": type(report).__name__, **asdict(report)}).encode() + b"\n"


def decoded(line: bytes) -> Report:
    """The report of a line."""
    fields: dict[str, Any] = json.loads(line)
    return _KINDS[fields.pop("kind")](**fields)


class Lines:
    """Whole lines out of pieces of a stream."""

    def __init__(self) -> None:
        self._rest = b""

    def fed(self, piece: bytes) -> list[bytes]:
        """The lines that this piece completes, without their ends."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        return lines
