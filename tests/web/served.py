"""A server of the application in a file, on a free port that it prints.

python -m tests.web.served FILE asgi|wsgi
"""

from __future__ import annotations

import runpy
import socket
import sys
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIServer, make_server

import uvicorn


class Threaded(ThreadingMixIn, WSGIServer):
    """A request a thread, as servers of WSGI do."""

    daemon_threads = True


def main(file: str, kind: str) -> None:
    found = runpy.run_path(file)
    application = found.get("application") or found["app"]
    {"asgi": _asgi, "wsgi": _wsgi}[kind](application)


def _asgi(application: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        uvicorn.Server(uvicorn.Config(application, log_level="error")).run([listener])


def _wsgi(application: Any) -> None:
    with make_server("127.0.0.1", 0, application, server_class=Threaded) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
