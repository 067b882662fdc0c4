"""Who watches over `jobkit worker` from outside: probes over HTTP, and systemd."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from importlib import import_module
from typing import TYPE_CHECKING, Any

from jobkit.clock import SYSTEM
from jobkit.supervisor.condition import Observer
from jobkit.supervisor.service import Service

if TYPE_CHECKING:
    from jobkit.supervisor.health import Health, Page  # an HTTP server, for those who want one

__all__ = ["observers"]


@contextmanager
def observers(address: str | None, backend: str) -> Generator[tuple[Observer, ...]]:
    """Those to tell of the supervisor's condition inside the block.

    `address` is where probes are answered, as HOST:PORT. Raises ConfigurationError if it is taken.
    """
    watching: list[Health | Service] = []
    if address is not None:
        watching.append(_health(address, backend))
    if (service := Service.of(os.environ)) is not None:
        watching.append(service)
    with ExitStack() as stack:
        for each in watching:
            stack.callback(each.close)
        yield tuple(each.note for each in watching)


def _health(address: str, backend: str) -> Health:
    from jobkit.supervisor.health import Health  # noqa: PLC0415 - costs 30 ms, most want none

    host, _, port = address.rpartition(":")
    health = Health((host.strip("[]"), int(port)), SYSTEM, _metrics(backend))
    health.start()
    return health


def _metrics(backend: str) -> Page | None:
    """The page of metrics; None where Prometheus' library is not installed."""
    from jobkit.supervisor.health import Answer  # noqa: PLC0415 - as above

    try:
        prometheus: Any = import_module("jobkit.contrib.prometheus")
    except ImportError:
        return None
    return lambda: Answer(HTTPStatus.OK, prometheus.exposition(backend), prometheus.CONTENT_TYPE)
