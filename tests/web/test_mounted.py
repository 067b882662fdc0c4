"""The dashboard inside of other applications."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.util import setup_testing_defaults

from a2wsgi import ASGIMiddleware

from jobkit.dashboard import create_app
from tests.web.conftest import Store


def test_a_wsgi_application_serves_it_below_a_prefix(full: Store) -> None:
    """As Flask's and Django's dispatchers do: the prefix is in SCRIPT_NAME."""
    del full
    application: Any = ASGIMiddleware(create_app(auth=None))  # type: ignore[arg-type]
    status, body = called(application, "/jobs", "/dead")
    assert status == "200 OK"
    assert b'href="/jobs/queues"' in body
    assert b"app.Dead" in body


def called(application: Any, prefix: str, path: str) -> tuple[str, bytes]:
    environ: dict[str, Any] = {"SCRIPT_NAME": prefix, "PATH_INFO": path, "REQUEST_METHOD": "GET"}
    setup_testing_defaults(environ)
    started: list[str] = []

    def start_response(status: str, *_: object) -> Callable[[bytes], object]:
        started.append(status)
        return lambda chunk: None

    answer: Iterable[bytes] = application(environ, start_response)
    body = b"".join(answer)
    return started[0], body
