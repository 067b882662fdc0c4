"""Where settings are read from: a TOML file and the environment."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jobkit.errors import ConfigurationError
from jobkit.settings.layers import NAMED, Key, Layer, has
from jobkit.settings.model import RULES

__all__ = ["ConfigFile", "find_file", "from_environ", "from_file"]

_OWN_FILE: Final = Path("jobkit.toml")
_PROJECT_FILE: Final = Path("pyproject.toml")
_PROJECT_TABLE: Final = ("tool", "jobkit")
_BACKEND_URL: Final = re.compile(r"JOBKIT_BACKENDS_(?P<name>[A-Z0-9_]+)_URL")


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A TOML file that was read; its settings stand in the table `root`."""

    path: Path
    text: str
    root: Key = ()

    @property
    def table(self) -> Mapping[str, Any] | None:
        """The settings as they stand in the file; None if it has no such table."""
        document: Any = tomllib.loads(self.text)
        if not has(document, self.root):
            return None
        for part in self.root:
            document = document[part]
        if not isinstance(document, Mapping):
            raise ConfigurationError(f"{self.place(())}: {'.'.join(self.root)} must be a table")
        return document

    def place(self, key: Key) -> str:
        """The file and the line of the key, or of the nearest table around it."""
        line = _line(self.text, self.root + key)
        return f"{self.path}, line {line}" if line else str(self.path)


def find_file(named: str | None, named_by: str) -> ConfigFile | None:
    """The file that `named_by` names; without a name the one in the working directory, if any.

    Raises ConfigurationError if it cannot be read, is no TOML, or was named and holds nothing.
    """
    if named is not None:
        return _read_named(Path(named), named_by)
    if _OWN_FILE.exists():
        return _read(_OWN_FILE)
    if _PROJECT_FILE.exists():
        file = _read(_PROJECT_FILE)
        return None if file.table is None else file
    return None


def from_file(file: ConfigFile, env: str | None) -> list[Layer]:
    """The file's own settings and, over them, those of its table `[env.NAME]`, if it has one.

    All tables are checked, so that a mistake in production's is found elsewhere too.
    """
    values = dict(file.table or {})
    tables = values.pop("env", {})
    if not isinstance(tables, Mapping) or not all(isinstance(t, Mapping) for t in tables.values()):
        raise ConfigurationError(f"{file.place(('env',))}: env must be tables such as [env.test]")
    envs = {name: _env_layer(file, name, table) for name, table in tables.items()}
    for layer in envs.values():
        layer.checked()
    base = Layer(values, file.place)
    return [base, envs[env]] if env in envs else [base]


def _env_layer(file: ConfigFile, env: str, table: Mapping[str, Any]) -> Layer:
    return Layer(table, lambda key: f"{file.place(('env', env, *key))}, [env.{env}]")


def from_environ(environ: Mapping[str, str], backends: Iterable[str]) -> Layer:
    """The settings of the environment: `JOBKIT_` and the name in capitals; empty is not given.

    A backend's URL is `JOBKIT_BACKENDS_<NAME>_URL`: of the backend among `backends` so spelled
    with "_" for "-", else of a new one with the name in small letters.
    """
    twins = {name: "JOBKIT_" + name.upper() for name in RULES if name not in NAMED}
    texts = {name: environ.get(twin, "").strip() for name, twin in twins.items()}
    values: dict[str, Any] = {name: text for name, text in texts.items() if text}
    spelled = {name.upper().replace("-", "_"): name for name in backends}
    urls: dict[str, str] = {}
    for variable, text in environ.items():
        if (found := _BACKEND_URL.fullmatch(variable)) and text.strip():
            urls[spelled.get(found["name"], found["name"].lower())] = text.strip()
    return Layer({**values, "backends": urls} if urls else values, _variable, text=True)


def _variable(key: Key) -> str:
    if key[0] != "backends":
        return f"the environment variable JOBKIT_{key[0].upper()}"
    return f"the environment variable JOBKIT_BACKENDS_{key[1].upper().replace('-', '_')}_URL"


def _read_named(path: Path, named_by: str) -> ConfigFile:
    if not path.exists():
        raise ConfigurationError(f"{named_by} names {path}, which does not exist")
    file = _read(path)
    if file.table is None:
        raise ConfigurationError(f"{named_by} names {path}, which has no table [tool.jobkit]")
    return file


def _read(path: Path) -> ConfigFile:
    try:
        text = path.read_text("utf-8")
        tomllib.loads(text)
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8 text: {error.reason}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not TOML: {error}") from error
    return ConfigFile(path, text, _PROJECT_TABLE if path.name == _PROJECT_FILE.name else ())


def _line(text: str, key: Key) -> int | None:
    """The line, from 1, where the value at `key` begins, or else the table around it."""
    lines = [line + "\n" for line in text.split("\n")]
    for length in range(len(key), 0, -1):
        for start, line in enumerate(lines):
            if key[length - 1] in line and _begins_at(lines, start, key[:length]):
                return start + 1
    return None


def _begins_at(lines: list[str], start: int, key: Key) -> bool:
    """True if the statement in line `start` is the first that makes `key` appear.

    The TOML parser itself tells, by reading the file up to there: it keeps no positions.
    """
    before = _document(lines[:start])
    if before is None or has(before, key):
        return False
    ends = range(start + 1, len(lines) + 1)
    after = next((done for end in ends if (done := _document(lines[:end])) is not None), None)
    return has(after, key)


def _document(lines: list[str]) -> dict[str, Any] | None:
    try:
        return tomllib.loads("".join(lines))
    except tomllib.TOMLDecodeError:
        return None
