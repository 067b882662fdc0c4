"""What running needs of a job."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from jobkit.callbacks import Callbacks
from jobkit.handlers import Policy, Rule
from jobkit.payload import Payload

__all__ = ["Await", "Runnable"]

Await = Callable[[Coroutine[Any, Any, Any]], Any]
"""How a coroutine's result is had: by the worker's event loop, or one made for it."""


class Runnable(Protocol):
    """What running needs of a job; `job` is the instance that hooks are called on and with."""

    @property
    def job(self) -> Any: ...
    @property
    def payload(self) -> Payload: ...
    @property
    def executions(self) -> int:
        """Runs so far, this one included."""
        ...

    @property
    def rules(self) -> tuple[Rule, ...]: ...
    @property
    def policy(self) -> Policy: ...
    @property
    def callbacks(self) -> Callbacks: ...
    def call(self) -> Any:
        """Load the arguments and call the body; a coroutine is returned as it is."""
        ...
