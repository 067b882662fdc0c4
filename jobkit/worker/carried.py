"""What a worker and the process of an isolated run say to each other, a line of JSON each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, get_args

from jobkit.adapter import Claim
from jobkit.failure import message_of
from jobkit.outcome import Failure, Outcome, Succeeded
from jobkit.payload import Payload

__all__ = [
    "CANCEL",
    "STOP",
    "Began",
    "BodyEnded",
    "Broke",
    "Completed",
    "Ended",
    "Kept",
    "Task",
    "Word",
    "decoded",
    "encoded",
]

STOP: Final = b"stop\n"
"""To the process: the worker is about to stop."""

CANCEL: Final = b"cancel\n"
"""To the process: the job was cancelled."""

_OUTCOMES: Final[dict[str, Any]] = {kind.__name__: kind for kind in get_args(Outcome)}


@dataclass(frozen=True, slots=True)
class Task:
    """To the process: what to run, and what it must know of the program that it belongs to.

    `settings` are for `jobkit.settings.override`; `modules` define the jobs, `path` is where they
    are; `url` is the store's. `log`: jobkit's own log is to be set up.
    """

    text: str
    receipt: str
    deliveries: int
    url: str
    path: list[str]
    modules: list[str]
    settings: dict[str, Any]
    log: bool

    @property
    def claim(self) -> Claim:
        return Claim(Payload(self.text), self.receipt, self.deliveries)

    @classmethod
    def of_line(cls, line: bytes) -> Task:
        return cls(**json.loads(line))

    def line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Began:
    """The body has begun: from here on its limit counts."""


@dataclass(frozen=True, slots=True)
class BodyEnded:
    """The body has ended; callbacks, rules and hooks go on."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What the run has to remember, in the job's new text: it is to be stored."""

    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The run has ended, hooks included; `text` is the job's if that is another by now."""

    outcome: Outcome
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Completed:
    """A transaction of the job's own has settled it."""


@dataclass(frozen=True, slots=True)
class Broke:
    """The job could not be run at all."""

    reason: str


Word = Began | BodyEnded | Kept | Ended | Completed | Broke
"""From the process."""

_WORDS: Final[dict[str, Any]] = {
    kind.__name__: kind for kind in (Began, BodyEnded, Kept, Completed, Broke)
}


def encoded(word: Word) -> bytes:
    """The word as a line."""
    said = _fields(word)
    if isinstance(word, Ended):
        said["outcome"] = _written(word.outcome)
    return json.dumps({"word": type(word).__name__, **said}).encode() + b"\n"


def decoded(line: bytes) -> Word:
    """The word of a line."""
    said: dict[str, Any] = json.loads(line)
    name = said.pop("word")
    if name == Ended.__name__:
        return Ended(_read(said["outcome"]), said["text"])
    word: Word = _WORDS[name](**said)
    return word


def _written(outcome: Outcome) -> dict[str, Any]:
    """An outcome; of a failure without the error itself, of a result only what is JSON."""
    said = {"kind": type(outcome).__name__, **_fields(outcome)}
    if isinstance(outcome, Succeeded):
        said["result"], said["lost"] = _json_or_why(outcome.result)
    if isinstance(failure := said.get("failure"), Failure):
        said["failure"] = {**_fields(failure), "error": None}
    if isinstance(counts := said.get("counts"), Mapping):
        said["counts"] = dict(counts)
    return said


def _read(said: dict[str, Any]) -> Outcome:
    kind = _OUTCOMES[said.pop("kind")]
    if (failure := said.get("failure")) is not None:
        failure["backtrace"] = tuple(failure["backtrace"])
        said["failure"] = Failure(**failure)
    outcome: Outcome = kind(**said)
    return outcome


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _json_or_why(value: Any) -> tuple[Any, str | None]:
    """The value, or why it is no JSON."""
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        return None, message_of(error)
    return value, None
