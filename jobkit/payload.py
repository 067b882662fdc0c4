"""The wire format: one job as one JSON object, the same on every store.

A `Payload` is immutable. It is parsed at first need, and `replace` leaves the text of every field
it does not change byte for byte as it was, so that arguments written by another version, or by
Ruby, survive a retry unharmed. Field names and meanings are Sidekiq's where Sidekiq has the field.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from json.decoder import scanstring  # type: ignore[attr-defined]
from json.encoder import c_make_encoder, encode_basestring  # type: ignore[attr-defined]
from typing import Any, Final, Protocol

from jobkit.errors import PayloadError

__all__ = ["MARK", "VERSION", "Payload", "dumps", "new_id"]

VERSION: Final = 1
"""The version of this format, written as `v`."""

MARK: Final = '"unique"'
"""A payload's text without it names no lock, as nearly all do not: they need not be read."""

_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_decoder = json.JSONDecoder()
_scan: Callable[[str, int], tuple[Any, int]] = _decoder.scan_once  # type: ignore[attr-defined]
_SPACES = " \t\n\r"
_MOMENTS: Final = frozenset(
    {"created_at", "enqueued_at", "scheduled_at", "expires_at", "failed_at", "retried_at"}
)
_FIRST: Final = -62_135_596_800.0  # of the year 1
_LAST: Final = 253_402_300_799.0  # of the year 9999: beyond these there is no datetime


class _HasHex(Protocol):
    @property
    def hex(self) -> str: ...


def new_id() -> str:
    """A fresh job id: UUID version 7 as 32 hex digits, so that ids sort by age."""
    return _uuid7().hex


def _first_uuid7() -> _HasHex:
    """Load what makes them, which a process that stores no job of its own never needs."""
    global _uuid7  # noqa: PLW0603 - asked for at every enqueue, where an import costs
    if sys.version_info >= (3, 14):
        from uuid import uuid7  # noqa: PLC0415 - as above
    else:
        from uuid_utils import uuid7  # noqa: PLC0415 - as above
    _uuid7 = uuid7
    return uuid7()


_uuid7: Callable[[], _HasHex] = _first_uuid7


def _one_encoder() -> Callable[[Any], str]:
    """The module's encoder makes another one at each call, which costs as much as its work."""
    if c_make_encoder is None:  # an interpreter without it
        return _encoder.encode
    encoded = c_make_encoder(
        None, _encoder.default, encode_basestring, None, ":", ",", False, False, False
    )
    return lambda value: "".join(encoded(value, 0))


dumps: Final = _one_encoder()
"""JSON: compact, with every character and whole number kept, and no NaN nor infinity."""


class Payload:
    """One job as it travels. Reading a malformed one raises `PayloadError`."""

    __slots__ = ("fields", "text")

    text: str
    """The JSON text, as stored."""
    fields: Mapping[str, Any]
    """All fields, unknown ones included. Not to be changed."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __getattr__(self, name: str) -> Any:
        # Of the two one was given. The other is made of it when somebody first asks, and stays.
        if name == "fields":
            self.fields = _parse(self.text)
        elif name == "text":
            self.text = dumps(self.fields)
        return object.__getattribute__(self, name)

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Payload:
        """The payload with these fields; those that are None are left out."""
        payload = cls.__new__(cls)
        given = {name: value for name, value in fields.items() if value is not None}
        for name in _MOMENTS & given.keys():
            given[name] = _written(name, given[name])
        payload.fields = given
        return payload

    @classmethod
    def exactly(cls, fields: Mapping[str, Any], text: str | None = None) -> Payload:
        """The payload with these fields: none of them is None, and moments are floats.

        `text` is their JSON, if it is known.
        """
        payload = cls.__new__(cls)
        payload.fields = fields
        payload.text = dumps(fields) if text is None else text
        return payload

    def replace(self, **changes: Any) -> Payload:
        """A copy with these fields changed, None removing one; the rest stays as it is written."""
        members = _members(self)
        for name, value in changes.items():
            if value is None:
                members.pop(name, None)
            else:
                members[name] = f"{dumps(name)}:{dumps(_written(name, value))}"
        return Payload("{" + ",".join(members.values()) + "}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Payload) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        """Class and id alone: what is logged by accident must not show arguments."""
        try:
            return f"<Payload {self.job_class[:200]!a} {self.id[:200]!a}>"
        except PayloadError:
            return f"<Payload of {len(self.text)} characters that is no job>"

    def check(self) -> None:
        """Raise PayloadError if a field that every job's envelope may have makes no sense."""
        fields = self.fields
        for name, usual, read in _ENVELOPE:
            value = fields.get(name, _ABSENT)
            kind = type(value)
            if kind is usual and (kind is not float or _FIRST <= value <= _LAST):
                continue  # nearly all are as jobkit writes them, and need no reader
            if value is not _ABSENT:
                read(fields, name)

    # What the envelope says. Every reader accepts what jobkit, Sidekiq 7 and Sidekiq 8 write.

    @property
    def id(self) -> str:
        return _string(self.fields, "jid", "")

    @property
    def job_class(self) -> str:
        return _string(self.fields, "class", None)

    @property
    def args(self) -> list[Any]:
        args = self.fields.get("args", [])
        if not isinstance(args, list):
            raise PayloadError(f"the field 'args' is {_kind(args)}, not a list")
        return args

    @property
    def kwargs(self) -> dict[str, Any]:
        kwargs = self.fields.get("kwargs", {})
        if not isinstance(kwargs, dict):
            raise PayloadError(f"the field 'kwargs' is {_kind(kwargs)}, not an object")
        return kwargs

    @property
    def queue(self) -> str:
        return _string(self.fields, "queue", "default")

    @property
    def priority(self) -> int:
        return _whole(self.fields, "priority")

    @property
    def retry(self) -> bool | int:
        retry = self.fields.get("retry", True)
        return retry if isinstance(retry, (bool, int)) else True

    @property
    def created_at(self) -> float | None:
        return _moment(self.fields, "created_at")

    @property
    def enqueued_at(self) -> float | None:
        return _moment(self.fields, "enqueued_at")

    @property
    def scheduled_at(self) -> float | None:
        """When it is or was due; None for a job that never waited."""
        return _moment(self.fields, "scheduled_at")

    @property
    def expires_at(self) -> float | None:
        return _moment(self.fields, "expires_at")

    def has_expired(self, now: float) -> bool:
        """True when it is too late to start a run of the job, be it the first or a retry.

        One that goes on with its steps was started in time.
        """
        if "expires_at" not in self.fields:
            return False
        expires_at = self.expires_at
        return expires_at is not None and now >= expires_at and "steps" not in self.fields

    @property
    def failed_at(self) -> float | None:
        """When it failed first."""
        return _moment(self.fields, "failed_at")

    @property
    def timeout(self) -> float | None:
        """Seconds a run may last; None, or 0 as it is stored, is no limit."""
        return _number(self.fields, "timeout") or None

    @property
    def executions(self) -> int:
        """Runs so far."""
        return _whole(self.fields, "executions")

    @property
    def exception_executions(self) -> dict[str, int]:
        """Failures per rule, by the rule's key."""
        counts = self.fields.get("exception_executions", {})
        if not isinstance(counts, dict) or not all(type(n) is int for n in counts.values()):
            raise PayloadError("the field 'exception_executions' is not an object of numbers")
        return counts

    @property
    def retry_count(self) -> int | None:
        """None before the first failure, 0 at the first, then one more each."""
        return _whole(self.fields, "retry_count") if "retry_count" in self.fields else None

    @property
    def deliveries(self) -> int:
        """Times the job was lent again after its worker was lost."""
        return _whole(self.fields, "deliveries")

    @property
    def version(self) -> int:
        """The version of the class's arguments; whatever is no version is the first."""
        version = self.fields.get("version")
        return version if type(version) is int and version > 0 else 1

    @property
    def encrypted(self) -> str | None:
        """The token that holds the arguments, when they are encrypted."""
        return None if "encrypted" not in self.fields else _string(self.fields, "encrypted", None)

    @property
    def redact(self) -> bool | frozenset[int | str]:
        """Which arguments must not be shown: True for all, or their positions and names."""
        redact = self.fields.get("redact", ())
        if isinstance(redact, list):
            return frozenset(each for each in redact if isinstance(each, (int, str)))
        return bool(redact)  # what no version of jobkit wrote hides all

    @property
    def context(self) -> dict[str, Any]:
        """What travels with the job of the context it was enqueued in, by name."""
        context = self.fields.get("context", {})
        if not isinstance(context, dict):
            raise PayloadError(f"the field 'context' is {_kind(context)}, not an object")
        return context

    @property
    def tags(self) -> tuple[str, ...]:
        tags = self.fields.get("tags", ())
        return tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else ()


def _parse(text: str) -> dict[str, Any]:
    try:
        fields = _read(text)
    except (ValueError, RecursionError) as error:
        raise PayloadError(f"the payload is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise PayloadError(f"the payload is {_kind(fields)}, not an object")
    return fields


def _read(text: str) -> Any:
    # Spaces around it, which nobody writes, are looked for only where there is something.
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        return json.loads(text)
    return value if end == len(text) else json.loads(text)


def _members(payload: Payload) -> dict[str, str]:
    """The raw text of each member, its name included; the last of equal names counts."""
    if not payload.fields:
        return {}
    # It has been parsed: from here on the text is known to be an object with members.
    text, members = payload.text, dict[str, str]()
    at = text.index("{")
    while text[at] != "}":
        start = _skip(text, at + 1)
        name, at = scanstring(text, start + 1, True)
        at = _end_of_value(text, _skip(text, _skip(text, at) + 1))
        members[name] = text[start:at]
        at = _skip(text, at)
    return members


def _end_of_value(text: str, start: int) -> int:
    try:
        return _decoder.raw_decode(text, start)[1]
    except RecursionError as error:  # parsed before, but with more of the stack left
        raise PayloadError(f"the payload is nested too deeply: {error}") from error


def _written(name: str, value: Any) -> Any:
    """Moments always with a decimal point: a whole number would be read as milliseconds."""
    return float(value) if name in _MOMENTS else value


def _skip(text: str, at: int) -> int:
    while text[at] in _SPACES:
        at += 1
    return at


def _kind(value: object) -> str:
    return "null" if value is None else f"of type {type(value).__name__}"


def _string(fields: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = fields.get(name, default)
    if not isinstance(value, str):
        raise PayloadError(f"the field {name!r} is {_kind(value)}, not text")
    return value


def _whole(fields: Mapping[str, Any], name: str) -> int:
    value = fields.get(name, 0)
    if type(value) is not int:
        raise PayloadError(f"the field {name!r} is {_kind(value)}, not a whole number")
    return value


def _number(fields: Mapping[str, Any], name: str) -> float | None:
    value = fields.get(name)
    if value is None:
        return None
    if type(value) not in (int, float):
        raise PayloadError(f"the field {name!r} is {_kind(value)}, not a number")
    try:
        return float(value)
    except OverflowError:
        raise PayloadError(f"the field {name!r} is too large a number") from None


def _moment(fields: Mapping[str, Any], name: str) -> float | None:
    """Seconds since the epoch: Sidekiq 8 writes whole milliseconds, all others float seconds."""
    number = _number(fields, name)
    if number is None:
        return None
    seconds = number / 1000 if type(fields[name]) is int else number
    if not _FIRST <= seconds <= _LAST:
        raise PayloadError(f"the field {name!r} is no moment of the calendar")
    return seconds


_ABSENT: Final[Any] = object()
_ENVELOPE: Final[Sequence[tuple[str, type, Callable[[Mapping[str, Any], str], object]]]] = (
    ("jid", str, _string),
    ("queue", str, _string),
    ("priority", int, _whole),
    ("executions", int, _whole),
    ("created_at", float, _moment),
    ("enqueued_at", float, _moment),
    ("scheduled_at", float, _moment),
)
"""What `Payload.check` reads: the type a field has in nearly every payload, and its reader."""
