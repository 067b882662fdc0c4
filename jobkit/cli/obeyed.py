"""The settings as `jobkit worker` obeys them, supervisor and worker processes alike."""

from __future__ import annotations

from collections.abc import Callable

from jobkit import settings
from jobkit.errors import ConfigurationError
from jobkit.settings import Settings

__all__ = ["obeyed"]


def obeyed(set_up_log: Callable[[str, str], None]) -> Settings:
    """What is configured so far, which the log then obeys. Raises ConfigurationError."""
    configured = settings.current()
    set_up_log(configured.log_level, configured.log_format)
    if configured.queues is not None:
        try:
            configured.queues.check_threads(configured.concurrency)
        except ValueError as error:
            raise ConfigurationError(f"{settings.where('queues')}: {error}") from None
    return configured
