"""Context variables that travel with a job.

What they hold where a job is enqueued they hold where it runs, in every run, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from typing import Any, TypeVar

from jobkit.arguments.exact import Unstorable, ascii_cut, check_json, shown
from jobkit.errors import DeserializationError, JobkitError, SerializationError
from jobkit.payload import Payload

__all__ = ["captured", "fresh_context", "propagate", "restore"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Traveller:
    """A variable, the name it has on the wire, and its way to JSON and back."""

    var: ContextVar[Any]
    name: str
    dump: Callable[[Any], Any] | None
    load: Callable[[Any], Any] | None

    def dumped(self, value: Any) -> Any:
        try:
            stored = value if self.dump is None else self.dump(value)
            check_json(stored)
        except Unstorable as refusal:
            raise SerializationError(
                f"the context variable {self.name!a} cannot travel with a job: its value "
                f"({type(value).__name__}) {refusal.why}: give dump= and load= to propagate()"
            ) from None
        return stored

    def loaded(self, stored: Any) -> Any:
        if self.load is None:
            return stored
        try:
            return self.load(stored)
        except JobkitError:
            raise
        except Exception as error:
            raise DeserializationError(
                f"the context variable {self.name!a} cannot be loaded: {_reason(error)}"
            ) from error


_travellers: tuple[_Traveller, ...] = ()


def propagate(
    var: ContextVar[T],
    *,
    name: str | None = None,
    dump: Callable[[T], Any] | None = None,
    load: Callable[[Any], T] | None = None,
) -> ContextVar[T]:
    """Have the variable travel with every job that is enqueued from now on; returns it.

    What it holds at the enqueue is stored with the job, and is what every run of the job sees,
    retries included, on whatever worker. Not set there, it has its default in the run. Nothing of
    it is left behind when the run ends. The value must be JSON, or `dump` makes JSON of it and
    `load` takes that back. `name` is what payloads call it, by default the variable's own.

    Programs that enqueue and workers make the same call, best where the variable is made. Raises
    TypeError for what is no ContextVar, and ValueError when another variable travels under that
    name; at the enqueue SerializationError for a value that is not JSON.

        tenant = jobkit.propagate(ContextVar("tenant", default="public"))
    """
    global _travellers  # noqa: PLW0603 - replaced whole, so that runs need no lock
    if not isinstance(var, ContextVar):
        raise TypeError(f"propagate takes a contextvars.ContextVar, not {ascii(var)[:200]}")
    traveller = _Traveller(var, var.name if name is None else name, dump, load)
    if any(known.name == traveller.name and known.var is not var for known in _travellers):
        raise ValueError(
            f"another context variable travels as {traveller.name!a}: give this one a name of "
            "its own (name=...)"
        )
    others = tuple(known for known in _travellers if known.var is not var)
    _travellers = (*others, traveller)
    return var


def captured() -> Mapping[str, Any]:
    """What travels from here, by name. Raises SerializationError for what is not JSON."""
    if not _travellers:
        return {}
    here = copy_context()
    return {each.name: each.dumped(here[each.var]) for each in _travellers if each.var in here}


def fresh_context() -> Context:
    """A copy of this context in which nobody has set the variables that travel."""
    here = copy_context()
    if not _travellers:
        return here
    ours = {each.var for each in _travellers if each.var in here}
    if not ours:
        return here
    fresh = Context()
    for var, value in here.items():
        if var not in ours:
            fresh.run(var.set, value)
    return fresh


def restore(payload: Payload) -> None:
    """Set here what travelled with the job; names that nobody propagates here are passed over.

    Raises DeserializationError, or what of jobkit's own errors a `load` raises.
    """
    if not _travellers:
        return
    context = payload.context
    for each in _travellers:
        if each.name in context:
            each.var.set(each.loaded(context[each.name]))


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {ascii_cut(str(error))}" if error.args else shown(error)
