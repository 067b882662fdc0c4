"""The memory that outlives a process."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator

import pytest

from jobkit.worker.board import (
    SharedBoard,
    new_board,
    note_of,
    read_overrun,
    read_started,
    read_turns,
    write_beaten,
)


@pytest.fixture
def fd() -> Iterator[int]:
    made = new_board()
    yield made
    os.close(made)


def test_an_empty_board_tells_of_nothing(fd: int) -> None:
    assert read_turns(fd) == 0
    assert read_started(fd) == frozenset()


def test_turns_are_counted(fd: int) -> None:
    board = SharedBoard(os.dup(fd), 2)
    for _ in range(3):
        board.turn()
    assert read_turns(fd) == 3


def test_the_last_receipt_of_every_thread_can_be_read(fd: int) -> None:
    board = SharedBoard(os.dup(fd), 3)
    for slot, receipt in ((0, "a"), (2, "c"), (0, "d")):
        board.start(slot, receipt)
    assert read_started(fd) == {note_of("d"), note_of("c")}


def test_a_receipt_of_any_length_has_a_note_of_its_own(fd: int) -> None:
    board = SharedBoard(os.dup(fd), 2)
    long = "é" * 500
    board.start(0, long)
    board.start(1, long + "!")
    assert read_started(fd) == {note_of(long), note_of(long + "!")}
    assert note_of(long) != note_of(long + "!")


def test_what_a_killed_process_wrote_stays(fd: int) -> None:
    board = SharedBoard(os.dup(fd), 2)
    child = os.fork()
    if child == 0:
        board.start(1, "r")
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    assert read_started(fd) == {note_of("r")}


def test_the_supervisor_tells_when_it_last_beat(fd: int) -> None:
    board = SharedBoard(os.dup(fd), 1)
    assert board.beaten() == -math.inf
    board.start(0, "r")
    write_beaten(fd, 12.5)
    assert board.beaten() == 12.5
    assert read_turns(fd) == 0
    assert read_started(fd) == {note_of("r")}


def test_a_job_is_over_its_limit_from_then_on_until_it_ends(fd: int) -> None:
    board = SharedBoard(os.dup(fd), 3)
    for slot, receipt in enumerate(("a", "b", "c")):
        board.start(slot, receipt)
    board.limit("a", 10.0)
    board.limit("b", 20.0)
    assert read_overrun(fd, 9.0) == frozenset()
    assert read_overrun(fd, 10.0) == {note_of("a")}
    assert read_overrun(fd, 30.0) == {note_of("a"), note_of("b")}
    board.limit("a", 0.0)
    board.start(1, "d")
    assert read_overrun(fd, 30.0) == frozenset()
    assert read_started(fd) == {note_of("a"), note_of("c"), note_of("d")}


def test_the_limit_of_a_receipt_is_no_other_receipts(fd: int) -> None:
    board = SharedBoard(os.dup(fd), 2)
    board.start(0, "23")
    board.start(1, "3")
    board.limit("3", 1.0)
    board.limit("4", 1.0)
    assert read_overrun(fd, 1.0) == {note_of("3")}
