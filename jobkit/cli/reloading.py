"""`--reload`: fresh worker processes when the application's files change."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from jobkit.errors import ConfigurationError

__all__ = ["reloading"]

_log = logging.getLogger("jobkit.supervisor")


@contextmanager
def reloading(modules: Iterable[str]) -> Generator[None]:
    """Inside the block a change of a Python file of these modules' packages is a HUP to ourselves.

    Raises ConfigurationError where watchfiles is not installed.
    """
    try:
        from watchfiles import PythonFilter, watch  # noqa: PLC0415 - an extra, for development
    except ImportError as error:
        raise ConfigurationError(
            '--reload needs watchfiles; install it with: pip install "jobkit[reload]"'
        ) from error
    folders = _folders(modules)
    ending = threading.Event()

    def look() -> None:
        only_python = PythonFilter()
        for changes in watch(*folders, watch_filter=only_python, stop_event=ending):
            _log.info("%s changed", ", ".join(sorted({path for _, path in changes})[:3]))
            os.kill(os.getpid(), signal.SIGHUP)

    # None comes before the supervisor listens, nor ends the process behind it.
    signal.signal(signal.SIGHUP, lambda number, frame: None)
    watcher = threading.Thread(target=look, name="jobkit-reload", daemon=True)
    watcher.start()
    _log.info("watching %s", ", ".join(map(str, folders)))
    try:
        yield
    finally:
        ending.set()
        watcher.join()


def _folders(modules: Iterable[str]) -> list[Path]:
    """The working directory, and what of the modules' packages lies elsewhere."""
    here = Path.cwd()
    found = {here}
    for top in {module.partition(".")[0] for module in modules}:
        spec = find_spec(top)  # of the outermost package only: this imports nothing
        for place in (spec.submodule_search_locations or ()) if spec else ():
            if not Path(place).is_relative_to(here):
                found.add(Path(place))
    return sorted(found)
