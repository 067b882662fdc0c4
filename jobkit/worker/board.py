"""What a worker process writes where its supervisor can still read it when the process is dead.

Shared memory: a count of the main loop's turns, and for each thread the receipt of the job it
started last; and the supervisor's word when it last beat for the worker. Writing is a copy into a
mapped page, no system call: that is cheap enough for every job, and no death of the process can
take it back.

A thread's note is not wiped when its job ends. A job may bring the process down just behind its
end (its objects are freed, something it started crashes), and it must not do so for ever; one
that was settled meanwhile is held no more, so that its note means nothing.
"""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from collections.abc import Callable
from hashlib import blake2b
from struct import Struct
from typing import Final, Protocol

__all__ = [
    "Board",
    "NoBoard",
    "SharedBoard",
    "new_board",
    "note_of",
    "read_started",
    "read_turns",
    "write_beaten",
]

_TURNS: Final = Struct("=Q")
_BEATEN: Final = Struct("=d")
_HEAD: Final = _TURNS.size + _BEATEN.size
_NOTE: Final = 64
"""Bytes of a note. Receipts fit or, where an adapter's are longer, their digest does."""


class Board(Protocol):
    """Where a worker notes what its supervisor may have to know."""

    def turn(self) -> None:
        """The main loop turned once more."""
        ...

    def start(self, slot: int, receipt: str) -> None:
        """The slot's thread starts the job with this receipt."""
        ...

    def beaten(self) -> float:
        """When the supervisor sent its last beat that came through, in monotonic seconds."""
        ...


class NoBoard:
    """For a worker without a supervisor."""

    def turn(self) -> None:
        pass

    def start(self, slot: int, receipt: str) -> None:
        pass

    def beaten(self) -> float:
        return -math.inf


class SharedBoard:
    """Writes to the memory behind a file descriptor, which it closes."""

    def __init__(self, fd: int, slots: int) -> None:
        os.ftruncate(fd, _HEAD + slots * _NOTE)
        self._memory = mmap.mmap(fd, 0)
        self._turns = 0
        os.close(fd)

    def turn(self) -> None:
        self._turns += 1
        _TURNS.pack_into(self._memory, 0, self._turns)

    def start(self, slot: int, receipt: str) -> None:
        at = _HEAD + slot * _NOTE
        self._memory[at : at + _NOTE] = note_of(receipt)

    def beaten(self) -> float:
        # Monotonic time is the machine's, not the process's. Before the first word it is 0.
        beaten: float = _BEATEN.unpack_from(self._memory, _TURNS.size)[0]
        return beaten or -math.inf


def note_of(receipt: str) -> bytes:
    """The receipt as it stands on a board."""
    text = receipt.encode()
    return text.ljust(_NOTE, b"\0") if len(text) <= _NOTE else blake2b(text).digest()


def new_board() -> int:
    """A file descriptor for an empty board: memory that is gone with its last user."""
    memory: Callable[[str], int] | None = getattr(os, "memfd_create", None)
    fd = _unlinked_file() if memory is None else memory("jobkit-board")
    os.ftruncate(fd, _HEAD)
    return fd


def read_turns(fd: int) -> int:
    """How often the main loop has turned."""
    turns: int = _TURNS.unpack(os.pread(fd, _TURNS.size, 0))[0]
    return turns


def write_beaten(fd: int, sent: float) -> None:
    """Note when a beat was sent that came through."""
    os.pwrite(fd, _BEATEN.pack(sent), _TURNS.size)


def read_started(fd: int) -> frozenset[bytes]:
    """The notes of all threads that started a job at all."""
    notes = os.pread(fd, os.fstat(fd).st_size, _HEAD)
    each = (notes[at : at + _NOTE] for at in range(0, len(notes), _NOTE))
    return frozenset(note for note in each if note.strip(b"\0"))


def _unlinked_file() -> int:
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
