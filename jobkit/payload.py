"""The wire format: one job as one JSON object, the same on every store.

A `Payload` is immutable. It is parsed at first need, and `replace` leaves the text of every field
it does not change byte for byte as it was, so that arguments written by another version, or by
Ruby, survive a retry unharmed. Field names and meanings are Sidekiq's where Sidekiq has the field.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from json.decoder import JSONDecodeError, scanstring  # type: ignore[attr-defined]
from typing import Any, Final

from jobkit.errors import PayloadError

if sys.version_info >= (3, 14):
    from uuid import uuid7
else:
    from uuid_utils import uuid7

__all__ = ["VERSION", "Payload", "dumps", "new_id"]

VERSION: Final = 1
"""The version of this format, written as `v`."""

#: Compact, keeps every character and whole number, refuses NaN and infinities.
dumps = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_decoder = json.JSONDecoder()
_SPACES = " \t\n\r"


def new_id() -> str:
    """A fresh job id: UUID version 7 as 32 hex digits, so that ids sort by age."""
    return uuid7().hex


class Payload:
    """One job as it travels. Reading a malformed one raises `PayloadError`."""

    __slots__ = ("_fields", "_text")

    def __init__(self, text: str) -> None:
        self._text: str | None = text
        self._fields: dict[str, Any] | None = None

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Payload:
        """The payload with these fields; those that are None are left out."""
        payload = cls.__new__(cls)
        payload._text = None
        payload._fields = {name: value for name, value in fields.items() if value is not None}
        return payload

    @property
    def text(self) -> str:
        """The JSON text, as stored."""
        if self._text is None:
            self._text = dumps(self._fields)
        return self._text

    @property
    def fields(self) -> Mapping[str, Any]:
        """All fields, unknown ones included. Not to be changed."""
        if self._fields is None:
            self._fields = _parse(self.text)
        return self._fields

    def replace(self, **changes: Any) -> Payload:
        """A copy with these fields changed, None removing one; the rest stays as it is written."""
        members = _members(self.text)
        for name, value in changes.items():
            if value is None:
                members.pop(name, None)
            else:
                members[name] = dumps(value)
        return Payload(
            "{" + ",".join(f"{dumps(name)}:{raw}" for name, raw in members.items()) + "}"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Payload) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Payload({self.text[:200]!r})"

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

    @property
    def failed_at(self) -> float | None:
        """When it failed first."""
        return _moment(self.fields, "failed_at")

    @property
    def timeout(self) -> float | None:
        """Seconds a run may last."""
        return _number(self.fields, "timeout")

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
    def tags(self) -> tuple[str, ...]:
        tags = self.fields.get("tags", ())
        return tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else ()


def _parse(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PayloadError(f"the payload is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise PayloadError(f"the payload is {_kind(fields)}, not an object")
    return fields


def _members(text: str) -> dict[str, str]:
    """The raw text of each member of the object, by name; the last of equal names counts."""
    members: dict[str, str] = {}
    try:
        at = _skip(text, 0)
        if text[at] != "{":
            raise PayloadError("the payload is not an object")
        at = _skip(text, at + 1)
        while text[at] != "}":
            name, at = scanstring(text, _skip(text, at) + 1, True)
            start = _skip(text, _skip(text, at) + 1)
            _, at = _decoder.raw_decode(text, start)
            members[name] = text[start:at]
            at = _skip(text, at)
            at = _skip(text, at + 1) if text[at] == "," else at
    except (IndexError, JSONDecodeError, RecursionError) as error:
        raise PayloadError(f"the payload is not JSON: {error}") from error
    return members


def _skip(text: str, at: int) -> int:
    while text[at] in _SPACES:
        at += 1
    return at


def _kind(value: object) -> str:
    return "null" if value is None else f"of type {type(value).__name__}"


def _string(fields: Mapping[str, Any], name: str, default: str | None) -> str:
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
    return float(value)


def _moment(fields: Mapping[str, Any], name: str) -> float | None:
    """Seconds since the epoch: Sidekiq 8 writes whole milliseconds, all others float seconds."""
    value = fields.get(name)
    if type(value) is int:
        return value / 1000
    return _number(fields, name)
