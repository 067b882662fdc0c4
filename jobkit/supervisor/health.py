"""The answers to a probe: `/live`, `/ready`, and `/metrics` where somebody tells them.

A small HTTP server in the supervisor, which no job can hold up. Whoever is slow, or talks
nonsense, costs a thread for a moment and nothing else.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from jobkit.clock import Clock
from jobkit.errors import ConfigurationError
from jobkit.supervisor.condition import Condition
from jobkit.supervisor.signals import blocked

__all__ = ["Answer", "Health", "Page"]

LATE: Final = 10.0
"""Seconds without a turn of the main loop after which the supervisor counts as stuck."""

_PATIENCE: Final = 5.0
"""Seconds that a client has for all of its request and our answer."""

_MOST: Final = 32
"""Clients at once; more are turned away."""

_log = logging.getLogger("jobkit.health")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a page says."""

    status: HTTPStatus
    body: bytes
    kind: str = "text/plain; charset=utf-8"


Page = Callable[[], Answer]


class Health:
    """Listens from `start` to `close`; `note` tells it how the supervisor is."""

    def __init__(self, address: tuple[str, int], clock: Clock, metrics: Page | None = None) -> None:
        """Bind the address, of which port 0 is any. Raises ConfigurationError if it cannot."""
        self._clock = clock
        self._condition = Condition(clock.monotonic(), ("starting",))
        pages: dict[str, Page] = {"/live": self._live, "/ready": self._ready}
        if metrics is not None:
            pages["/metrics"] = metrics
        try:
            self._server = _Server(address, pages)
        except OSError as error:
            where = f"{address[0]}:{address[1]}"
            raise ConfigurationError(f"health: cannot listen on {where}: {error}") from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="jobkit-health", daemon=True
        )

    def start(self) -> None:
        """Begin to answer."""
        with blocked():
            self._thread.start()
        host, port = self._server.server_address[:2]
        _log.info("health is answered on http://%s:%s/ready", host, port)

    def note(self, condition: Condition) -> None:
        """From now on this is the condition."""
        self._condition = condition

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _live(self) -> Answer:
        still = self._clock.monotonic() - self._condition.at
        if still > LATE:
            return _unavailable((f"the main loop has not turned for {still:.0f} s",))
        return Answer(HTTPStatus.OK, b"live\n")

    def _ready(self) -> Answer:
        live = self._live()
        if live.status is not HTTPStatus.OK:
            return live
        if self._condition.problems:
            return _unavailable(self._condition.problems)
        return Answer(HTTPStatus.OK, b"ready\n")


def _unavailable(problems: tuple[str, ...]) -> Answer:
    return Answer(
        HTTPStatus.SERVICE_UNAVAILABLE, "".join(f"{line}\n" for line in problems).encode()
    )


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 2 * _MOST

    def __init__(self, address: tuple[str, int], pages: Mapping[str, Page]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._room = threading.Semaphore(_MOST)
        super().__init__(address, partial(_Handler, pages))

    def server_bind(self) -> None:
        # Without the base class's look at the name server, which may take its time.
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        # Each read has its own time-out, and a client might send a byte now and then for ever.
        end = threading.Timer(_PATIENCE, partial(_hang_up, request))
        end.daemon = True
        end.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            end.cancel()
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        _log.debug("a client of the health pages was left", exc_info=True)


def _hang_up(request: socket.socket) -> None:
    with suppress(OSError):  # it may be closed already
        request.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    timeout = _PATIENCE
    server_version = "jobkit"
    sys_version = ""
    error_content_type = "text/plain; charset=utf-8"
    error_message_format = "%(code)d %(message)s\n"

    def __init__(self, pages: Mapping[str, Page], *connection: Any) -> None:
        self._pages = pages
        super().__init__(*connection)

    def do_GET(self) -> None:
        """Answer with the page, if there is one."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """As GET, without what it says."""
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        page = self._pages.get(self.path.partition("?")[0])
        if page is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        try:
            answer = page()
        except Exception:  # noqa: BLE001 - the metrics are somebody else's
            _log.exception("%s could not be told", self.path.partition("?")[0])
            self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR)
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if body:
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        _log.debug("%s: %s", self.address_string(), ascii(format % args))
