"""Database connections around jobs, which no request begins or ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import close_old_connections, reset_queries

from jobkit.middleware import Middleware

__all__ = ["Connections"]


class Connections(Middleware):
    """Around every run what Django does around a request.

    Connections that broke or are older than `CONN_MAX_AGE` are closed before and after, so that a
    thread that waited for hours does not run into a dead one; one inside a transaction stays as
    it is. The queries that Django logs in debug mode are forgotten.
    """

    def perform(self, job: Any, call_next: Callable[[], Any]) -> Any:
        del job
        reset_queries()
        close_old_connections()
        try:
            return call_next()
        finally:
            close_old_connections()
