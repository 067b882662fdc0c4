"""Write `reference/names.md`: every public name with the first sentence of its docstring."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import jobkit
import jobkit_inline

PAGE = Path(__file__).parent / "reference" / "names.md"
HEAD = """# Names

Everything that is importable from `jobkit` and `jobkit_inline`, with the first sentence of its \
docstring; `help(jobkit.Job)` has the rest. This page is written by `make reference`.
"""


def main() -> None:
    PAGE.write_text(page(), "utf-8")


def page() -> str:
    parts = [HEAD, *_tables(jobkit), "## In tests, from `jobkit_inline`\n", *_rows(jobkit_inline)]
    return "\n".join(parts) + "\n"


def _tables(module: ModuleType) -> Iterator[str]:
    kinds = {
        "Classes": lambda value: inspect.isclass(value) and not issubclass(value, BaseException),
        "Functions and decorators": inspect.isroutine,
        "Modules and values": lambda value: (
            not inspect.isclass(value) and not inspect.isroutine(value)
        ),
    }
    for title, belongs in kinds.items():
        yield f"## {title}\n"
        yield from _rows(module, only=belongs)
    yield "## Errors\n"
    yield "See [errors](errors.md).\n"


def _rows(module: Any, only: Any = lambda value: True) -> Iterator[str]:
    yield "| Name | |"
    yield "|---|---|"
    for name in _sorted(module.__all__):
        value = getattr(module, name)
        if only(value):
            yield f"| `{name}` | {_first_sentence(value)} |"
    yield ""


def _sorted(names: Iterable[str]) -> list[str]:
    return sorted(names, key=str.lower)


def _first_sentence(value: Any) -> str:
    paragraph = " ".join((inspect.getdoc(value) or "").split("\n\n")[0].split())
    sentence = re.match(r".*?[.](?= |$)", paragraph)
    text = sentence[0] if sentence else paragraph
    return text.rstrip(":").replace("|", "\\|")


if __name__ == "__main__":
    main()
