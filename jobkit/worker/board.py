"""What a worker process writes where its supervisor can still read it when the process is dead.

Shared memory: a count of the main loop's turns, and for each thread the receipt of the job it
started last and when its time limit ends; and the supervisor's word when it last beat for the
worker. Writing is a copy into a mapped page, no system call: that is cheap enough for every job,
and no death of the process can take it back.

A thread's note is not wiped when its job ends. A job may bring the process down just behind its
end (its objects are freed, something it started crashes), and it must not do so for ever; one
that was settled meanwhile is held no more, so that its note means nothing.
"""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from collections.abc import Callable, Iterator
from hashlib import blake2b
from struct import Struct
from typing import Final, Protocol

__all__ = [
    "GRACE",
    "Board",
    "NoBoard",
    "SharedBoard",
    "new_board",
    "note_of",
    "read_overrun",
    "read_started",
    "read_turns",
    "write_beaten",
]

_TURNS: Final = Struct("=Q")
_BEATEN: Final = Struct("=d")
_LIMIT: Final = Struct("=d")
_HEAD: Final = _TURNS.size + _BEATEN.size
_NOTE: Final = 64
"""Bytes of a note. Receipts fit or, where an adapter's are longer, their digest does."""
_RECORD: Final = _NOTE + _LIMIT.size
_NO_LIMIT: Final = bytes(_LIMIT.size)

GRACE: Final = 10.0
"""Seconds that a thread gets to come back after its limit, before it is written off.

Where none of its process turns any more the supervisor writes off the process.
"""


class Board(Protocol):
    """Where a worker notes what its supervisor may have to know."""

    def turn(self) -> None:
        """The main loop turned once more."""
        ...

    def start(self, slot: int, receipt: str) -> None:
        """The slot's thread starts the job with this receipt."""
        ...

    def limit(self, receipt: str, due: float) -> None:
        """The job with this receipt, which was started, is to end by then; 0: there is no limit.

        In monotonic seconds.
        """
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

    def limit(self, receipt: str, due: float) -> None:
        pass

    def beaten(self) -> float:
        return -math.inf


class SharedBoard:
    """Writes to the memory behind a file descriptor, which it closes."""

    def __init__(self, fd: int, slots: int) -> None:
        os.ftruncate(fd, _HEAD + slots * _RECORD)
        self._memory = mmap.mmap(fd, 0)
        self._turns = 0
        os.close(fd)

    def turn(self) -> None:
        self._turns += 1
        _TURNS.pack_into(self._memory, 0, self._turns)

    def start(self, slot: int, receipt: str) -> None:
        at = _HEAD + slot * _RECORD
        self._memory[at : at + _RECORD] = note_of(receipt) + _NO_LIMIT

    def limit(self, receipt: str, due: float) -> None:
        # Searched for, since the slot is not known everywhere: few jobs have a limit.
        note, at = note_of(receipt), _HEAD
        while (at := self._memory.find(note, at)) >= 0:
            if (at - _HEAD) % _RECORD == 0:
                _LIMIT.pack_into(self._memory, at + _NOTE, due)
                return
            at += 1  # the end of a longer receipt

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
    return frozenset(note for note, _ in _records(fd) if note.strip(b"\0"))


def read_overrun(fd: int, before: float) -> frozenset[bytes]:
    """The notes of the jobs whose limit was at or before that moment, in monotonic seconds."""
    return frozenset(note for note, due in _records(fd) if 0 < due <= before)


def _records(fd: int) -> Iterator[tuple[bytes, float]]:
    """Of each thread the note, and the end of the limit, 0 for none."""
    records = os.pread(fd, os.fstat(fd).st_size, _HEAD)
    for at in range(0, len(records), _RECORD):
        due: float = _LIMIT.unpack_from(records, at + _NOTE)[0]
        yield records[at : at + _NOTE], due


def _unlinked_file() -> int:
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
