"""The configuration: read once, lazily, from code, a file, the environment and flags.

What reads and checks it is loaded at first use: building its model costs more than the rest of
`import jobkit` that is not pydantic, and a program that only defines jobs needs none of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Unpack

from jobkit.lazy import lazily
from jobkit.settings.queues import Queues, check_queue_name
from jobkit.settings.urls import safe_url, url_scheme
from jobkit.settings.words import nearest

if TYPE_CHECKING:
    from jobkit.settings.model import Backend, Settings
    from jobkit.settings.reading import Values
else:
    __getattr__, __dir__ = lazily(__name__, {"model": ("Backend", "Settings")})

__all__ = [
    "Backend",
    "Queues",
    "Settings",
    "check_queue_name",
    "configure",
    "current",
    "handed_on",
    "nearest",
    "overlaid",
    "override",
    "reset",
    "safe_url",
    "url_scheme",
    "where",
]


def configure(**values: Unpack[Values]) -> None:
    """Set settings in code, below file, environment and flags; later calls win over earlier ones.

    Durations are seconds or timedeltas, None is "not given". Raises TypeError for a name that is
    no setting, ConfigurationError for a value that is not allowed.
    """
    from jobkit.settings import reading  # noqa: PLC0415 - at first use, see above

    reading.configure(**values)


def override(*, config: str | None = None, **flags: Any) -> None:
    """Set what the command line's flags give, above everything else; None is "not given".

    `config` names the file to read. Raises ConfigurationError for a value that is not allowed.
    """
    from jobkit.settings import reading  # noqa: PLC0415 - at first use, see above

    reading.override(config=config, **flags)


def current() -> Settings:
    """The settings in force: read at first use, and anew after more were given.

    Raises ConfigurationError naming file and line, variable, call or flag, and what is allowed.
    """
    return (_current or _load())()


def _load() -> Callable[[], Settings]:
    global _current  # noqa: PLW0603 - asked for at every enqueue, where an import costs
    from jobkit.settings import reading  # noqa: PLC0415 - at first use, see above

    _current = reading.current
    return _current


_current: Callable[[], Settings] | None = None


def overlaid(caller: str, values: Mapping[str, Any]) -> Settings:
    """The settings in force with what `caller` was given over them; None is "not given".

    Raises ConfigurationError naming the caller and the argument.
    """
    from jobkit.settings import reading  # noqa: PLC0415 - at first use, see above

    return reading.overlaid(caller, values)


def handed_on() -> dict[str, Any]:
    """What `override` must be given in another process that runs this one's jobs, as JSON."""
    from jobkit.settings import reading  # noqa: PLC0415 - at first use, see above

    return reading.handed_on()


def where(*key: str) -> str:
    """Where a setting comes from, to begin an error with: `jobkit.toml, line 3`.

    `where("concurrency")`, `where("backends", "bulk", "url")`.
    """
    from jobkit.settings import reading  # noqa: PLC0415 - at first use, see above

    return reading.where(*key)


def reset() -> None:
    """Forget what was given and read (for tests)."""
    from jobkit.settings import reading  # noqa: PLC0415 - at first use, see above

    reading.reset()
