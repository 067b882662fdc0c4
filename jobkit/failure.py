"""An error as plain text that every store keeps, whatever the error's own methods do."""

from __future__ import annotations

import base64
import json
import traceback
import zlib
from pathlib import Path
from typing import Final

from jobkit.outcome import Failure

__all__ = ["class_name", "failure_of", "message_of", "packed", "safe_text", "unpacked"]

LONGEST_MESSAGE: Final = 10_000
"""Characters of an error's message that are kept."""

LONGEST_NAME: Final = 1_000
"""Characters of its class's name."""

_FRAMES: Final = 30
_LINE: Final = 1_000
_OURS: Final = str(Path(__file__).parent)
"""Where the frames between the worker and the job lie, which tell nobody anything."""
_REPLACED = {"\x00": "\\x00"}


def failure_of(error: BaseException, now: float) -> Failure:
    """The error's class, message and last frames."""
    return Failure(class_name(error), message_of(error), _frames(error), now, error)


def class_name(error: BaseException) -> str:
    """Bare for a builtin, otherwise qualified with its module."""
    kind = type(error)
    try:
        bare = kind.__module__ == "builtins"
        name = kind.__qualname__ if bare else f"{kind.__module__}.{kind.__qualname__}"
    except BaseException:  # noqa: BLE001 - a metaclass may do anything
        return "<a class whose name cannot be read>"
    return safe_text(str.__str__(name)[:LONGEST_NAME])


def message_of(error: BaseException) -> str:
    """The message, cut to size and made valid text."""
    try:
        text = str.__str__(str(error))  # of a subclass of str its plain text
    except BaseException as failure:  # noqa: BLE001 - it is the job's failure that must be recorded
        return f"<the message cannot be read: its __str__ raised {type(failure).__name__}>"
    return safe_text(text[:LONGEST_MESSAGE])[:LONGEST_MESSAGE]


def safe_text(text: str) -> str:
    """The text with what no store keeps (NUL, lone surrogates) written as escapes."""
    for character, written in _REPLACED.items():
        text = text.replace(character, written)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def packed(lines: tuple[str, ...]) -> str:
    """A backtrace as Sidekiq stores it: base64 of zlib of a JSON list of lines."""
    return base64.b64encode(zlib.compress(json.dumps(lines).encode())).decode()


def unpacked(text: object) -> tuple[str, ...]:
    """The lines of a stored backtrace; empty for what is none."""
    try:
        lines = json.loads(zlib.decompress(base64.b64decode(str(text), validate=True)))
    except (ValueError, zlib.error):
        return ()
    return tuple(line for line in lines if isinstance(line, str)) if isinstance(lines, list) else ()


def _frames(error: BaseException) -> tuple[str, ...]:
    try:
        frames = traceback.extract_tb(error.__traceback__, limit=-_FRAMES)
    except Exception:  # noqa: BLE001 - a source file that cannot be read must not cost the record
        return ()
    theirs = [frame for frame in frames if not frame.filename.startswith(_OURS)]
    return tuple(
        safe_text(f"{frame.filename}:{frame.lineno} in {frame.name}: {frame.line or ''}"[:_LINE])
        for frame in theirs or frames
    )
