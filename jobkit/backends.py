"""Backends: configured adapters by name, made at first use.

What answers for a name, the first that is there: an adapter in `use` here, one that `override`s
all, one that was `install`ed, the one that the settings' URL describes.

Adapters that run what they take (inline, fake) stand below the code that runs jobs. Here they are
handed it: `jobkit.jobs` calls `hand`, they call `perform`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from jobkit import settings
from jobkit.adapter import Adapter, Claim, Enqueues, Retention, Settlement
from jobkit.capabilities import SupportsCheck, SupportsInspect
from jobkit.clock import SYSTEM, Clock
from jobkit.errors import ConfigurationError, JobkitError, Unsupported

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = [
    "HasOwnTime",
    "Perform",
    "Performed",
    "close_all",
    "get",
    "get_adapter",
    "hand",
    "install",
    "names",
    "now",
    "opened",
    "override",
    "perform",
    "problems",
    "shared_url",
    "uninstall",
    "use",
]

_GROUP: Final = "jobkit.adapters"
_EXTRAS: Final[Mapping[str, str]] = {
    "redis": "redis",
    "rediss": "redis",
    "unix": "redis",
    "postgresql": "postgres",
    "postgres": "postgres",
}
"""The extra that brings the driver, by URL scheme."""


@dataclass(frozen=True, slots=True)
class Performed:
    """A run that ended: what the store must do, and the error that no rule answered for."""

    settlement: Settlement
    error: BaseException | None = None


Perform = Callable[[Claim, Enqueues, Clock], Performed]


class HasOwnTime:
    """An adapter by whose time, not the machine's, jobs are enqueued.

    No abstract class, as `isinstance` then is Python's own code, and is asked at each enqueue.
    """

    def now(self) -> float:
        """Wall time in seconds."""
        raise NotImplementedError


_local: ContextVar[Enqueues | None] = ContextVar("jobkit_adapter", default=None)
_everywhere: tuple[Enqueues, ...] = ()
_installed: dict[str, Enqueues] = {}
_made: dict[tuple[str, str], Enqueues] = {}
_left_behind: list[dict[tuple[str, str], Enqueues]] = []
_lock = threading.RLock()
_perform: Perform | None = None


def get(name: str = "default") -> Enqueues:
    """The backend's adapter, made at first use; it connects when it is used.

    Raises ConfigurationError for a name that is not configured or a URL no adapter serves.
    """
    if (local := _local.get()) is not None:
        return local
    if _everywhere:
        return _everywhere[-1]
    return _installed[name] if name in _installed else _configured(name)


def get_adapter(name: str = "default") -> Adapter:
    """The backend's adapter, for a worker. Raises Unsupported if it only takes jobs."""
    return _for_workers(get(name))


def opened(url: str) -> Adapter:
    """A new adapter for a URL, whatever is configured; the caller closes it.

    Raises ConfigurationError for a URL no adapter serves, Unsupported if it only takes jobs.
    """
    return _for_workers(_adapter_class(url).from_url(url, retention=_retention()))


def shared_url(name: str = "default") -> str | None:
    """The URL under which another process finds the backend's store; None if there is none."""
    adapter = get(name)
    if name in _installed or not adapter.features.durable:
        return None
    url = _url(name)
    return url if _made.get((name, url)) is adapter else None


def names() -> tuple[str, ...]:
    """The names of all backends, the default one first."""
    return tuple(dict.fromkeys(["default", *settings.current().backends, *_installed]))


def problems(name: str = "default") -> Iterator[str]:
    """What is wrong with the backend and its store, a line each; connects to it."""
    try:
        adapter = get(name)
        if isinstance(adapter, SupportsCheck):
            yield from (f"backend {name}: {problem}" for problem in adapter.check())
        elif isinstance(adapter, SupportsInspect):
            adapter.stats()
    except JobkitError as error:
        yield f"backend {name}: {error}"


def install(name: str, adapter: Enqueues) -> None:
    """Have `adapter` answer for `name`, whatever is configured, until `uninstall(name)`."""
    _installed[name] = adapter


def uninstall(name: str) -> None:
    """Let the configuration answer for `name` again."""
    _installed.pop(name, None)


@contextmanager
def override(adapter: Enqueues) -> Generator[None]:
    """Have `adapter` answer for every name in the whole process inside the block."""
    global _everywhere  # noqa: PLW0603 - replaced whole, so that get needs no lock
    before = _everywhere
    _everywhere = (*before, adapter)
    try:
        yield
    finally:
        _everywhere = before


@contextmanager
def use(adapter: Enqueues) -> Generator[None]:
    """Have `adapter` answer for every name inside the block, in this thread or task only."""
    token = _local.set(adapter)
    try:
        yield
    finally:
        _local.reset(token)


def close_all() -> None:
    """Close the adapters that were made from URLs; the next `get` makes new ones."""
    with _lock:
        made = list(_made.values())
        _made.clear()
    for adapter in made:
        adapter.close()


def hand(perform: Perform) -> None:
    """Give the code that runs jobs to the adapters that are to run them."""
    global _perform  # noqa: PLW0603 - the process has one executor
    _perform = perform


def perform(claim: Claim, adapter: Enqueues, clock: Clock) -> Performed:
    """Run the claim's job in this thread, as a worker of `adapter` would; settles nothing."""
    if _perform is None:
        import_module(
            "jobkit.jobs.performing"
        )  # which hands it: above this floor, so that it goes by name
    if _perform is None:
        raise RuntimeError("jobkit.jobs.performing did not hand over what runs a job")
    return _perform(claim, adapter, clock)


def now(adapter: Enqueues) -> float:
    """The wall time, in seconds, at which a job is enqueued there."""
    return adapter.now() if isinstance(adapter, HasOwnTime) else SYSTEM.time()


def _for_workers(adapter: Enqueues) -> Adapter:
    if isinstance(adapter, Adapter):
        return adapter
    raise Unsupported(f"{type(adapter).__name__} does not support workers: it only takes jobs")


def _configured(name: str) -> Enqueues:
    # As `_url` says, which a call of its own would be asked at each enqueue.
    url = settings.current().url if name == "default" else _url(name)
    made = _made.get((name, url))
    return _make(name, url) if made is None else made


def _url(name: str) -> str:
    configured = settings.current()
    if name == "default":
        return configured.url
    if name not in configured.backends:
        raise ConfigurationError(
            f"there is no backend {name!a}; configured are: {', '.join(names())}"
        )
    return configured.backends[name].url


def _make(name: str, url: str) -> Enqueues:
    with _lock:
        if (name, url) not in _made:
            _made[name, url] = _placed(name, url).from_url(url, retention=_retention())
        return _made[name, url]


def _retention() -> Retention:
    configured = settings.current()
    return Retention(configured.dead_max, configured.dead_days, configured.keep_finished)


def _placed(name: str, url: str) -> type[Enqueues]:
    """The adapter's class; an error names the place of the backend's URL."""
    try:
        return _adapter_class(url)
    except ConfigurationError as error:
        raise ConfigurationError(f"{_where(name)}: {error}") from error.__cause__


def _adapter_class(url: str) -> type[Enqueues]:
    # Loaded here because it costs 30 ms, which a program that never enqueues need not pay.
    from importlib.metadata import entry_points  # noqa: PLC0415

    scheme = settings.url_scheme(url)
    found = {point.name: point for point in entry_points(group=_GROUP)}
    if scheme in found:
        return _load(found[scheme], scheme)
    raise ConfigurationError(
        f"no adapter serves {scheme}:// URLs; known are: {', '.join(sorted(found))}"
        + _remedy(scheme)
    )


def _load(point: EntryPoint, scheme: str) -> type[Enqueues]:
    try:
        loaded: Any = point.load()
    except ImportError as error:
        problem = f"the adapter for {scheme}:// URLs cannot be loaded: {error}"
        raise ConfigurationError(problem + _remedy(scheme)) from error
    if not (isinstance(loaded, type) and issubclass(loaded, Enqueues)):
        raise ConfigurationError(f"the entry point {point.name} of {_GROUP} is no adapter class")
    return loaded


def _where(name: str) -> str:
    return settings.where(*(("url",) if name == "default" else ("backends", name, "url")))


def _remedy(scheme: str) -> str:
    extra = _EXTRAS.get(scheme)
    return f'; install it with: pip install "jobkit[{extra}]"' if extra else ""


def _forget_in_child() -> None:
    """A fork must not share its parent's connections, nor close them: they are left alone."""
    global _lock, _made
    _left_behind.append(_made)
    # Another thread of the parent may have held the lock: nobody would ever release it here.
    _lock, _made = threading.RLock(), {}


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget_in_child)
