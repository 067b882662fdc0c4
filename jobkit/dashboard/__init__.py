"""The web pages: what happens in a store, and what can be done about it. Needs the extra `web`."""

from __future__ import annotations

try:
    from jobkit.dashboard.app import create_app
except ModuleNotFoundError as error:  # pragma: no cover - the tests have the extra
    from jobkit.errors import ConfigurationError

    raise ConfigurationError(
        f'the dashboard needs {error.name}: install it with: pip install "jobkit[web]"'
    ) from error

__all__ = ["create_app"]
