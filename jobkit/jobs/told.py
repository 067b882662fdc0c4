"""Attributes of a job that its payload tells."""

from __future__ import annotations

from typing import Any

from jobkit.clock import as_datetime
from jobkit.payload import Payload

__all__ = ["TOLD", "moment", "told"]

TOLD = ("id", "queue", "priority", "tags", "created_at", "enqueued_at", "scheduled_at")
"""Their names."""


def told() -> Any:
    """An attribute read from the payload when somebody first asks, as few jobs ask for any.

    None while there is no payload. What an instance was given stands before what is read.
    """
    return _Told()


def moment() -> Any:
    """The same for an attribute that is a moment: seconds in the payload, a datetime in the job."""
    return _Moment()


class _Told:
    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, job: Any, owner: type | None = None) -> Any:
        if job is None:
            raise AttributeError(f"{self._name} is an attribute of a job, not of its class")
        payload: Payload | None = job._payload
        if payload is None:
            return None
        value = job.__dict__[self._name] = self._read(payload)
        return value

    def _read(self, payload: Payload) -> Any:
        return getattr(payload, self._name)


class _Moment(_Told):
    def _read(self, payload: Payload) -> Any:
        seconds = super()._read(payload)
        return None if seconds is None else as_datetime(seconds)
