"""`python -m benchmarks.peers.sending APP URL WHAT NUMBER`: send jobs of one queue, and tell.

WHAT is `prepare`, `one`, `many` (a thousand a call), `send` (spread out, each with its moment),
`nap` or `work`. Prints jobs a second and microseconds of CPU a job as JSON. A process of its own,
so that no queue's library meets another's.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

__all__ = ["sent"]

SLICE = 1_000
GAP = 0.03


def sent(app: Any, what: str, number: int) -> dict[str, float]:
    """Send; the rate and the CPU time of a job."""
    loop = asyncio.new_event_loop()

    def call(function: Callable[..., Any], *args: Any) -> None:
        result = function(*args)
        if inspect.iscoroutine(result):
            loop.run_until_complete(result)

    call(getattr(app, "begin", _nothing))
    call(app.one, -1)  # connections and caches are made
    began, cpu = time.perf_counter(), time.process_time()
    _send(app, what, number, call)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    call(getattr(app, "end", _nothing))
    return {"rate": number / seconds, "cpu": cpu / number * 1e6}


def _send(app: Any, what: str, number: int, call: Callable[..., None]) -> None:
    match what:
        case "one":
            for each in range(number):
                call(app.one, each)
        case "many":
            for start in range(0, number, SLICE):
                call(app.many, range(start, min(start + SLICE, number)))
        case "send":
            for _ in range(number):
                call(app.send, time.monotonic())
                time.sleep(GAP)
        case _:
            call(getattr(app, what), range(number))


def _nothing() -> None:
    pass


def main(name: str, url: str, what: str, number: str) -> None:
    app = import_module(f"benchmarks.peers.apps.{name}_app")
    getattr(app, "configure", lambda url: None)(url)
    if what == "prepare":
        getattr(app, "prepare", lambda url: None)(url)
    else:
        print(json.dumps(sent(app, what, int(number))))


if __name__ == "__main__":
    main(*sys.argv[1:])
