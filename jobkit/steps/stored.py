"""What a payload says of a job's steps: its field `steps`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from jobkit.errors import PayloadError
from jobkit.payload import Payload

__all__ = ["FIELD", "Stored"]

FIELD: Final = "steps"


@dataclass(frozen=True, slots=True)
class Stored:
    """The steps that are done, in order, the one that is not, with its cursor as JSON.

    `resumed` counts the runs that went on where another had been interrupted, or had failed.
    """

    done: tuple[str, ...] = ()
    at: str | None = None
    cursor: Any = None
    resumed: int = 0

    @classmethod
    def of(cls, payload: Payload) -> Stored:
        """Raises PayloadError when the field is malformed."""
        fields = payload.fields.get(FIELD, {})
        if not isinstance(fields, dict):
            raise PayloadError(f"the field {FIELD!r} is no object")
        done, at = fields.get("done", []), fields.get("at")
        resumed = fields.get("resumed", 0)
        names = isinstance(done, list) and all(isinstance(name, str) for name in done)
        if not names or not isinstance(at, str | None) or type(resumed) is not int:
            raise PayloadError(f"the field {FIELD!r} does not say which steps are done")
        return cls(tuple(done), at, fields.get("cursor"), resumed)

    @property
    def fields(self) -> dict[str, Any]:
        """As it is stored; what says nothing is left out."""
        said: dict[str, Any] = {"done": list(self.done)} if self.done else {}
        if self.at is not None:
            said |= {"at": self.at, "cursor": self.cursor}
        if self.resumed:
            said["resumed"] = self.resumed
        return said
