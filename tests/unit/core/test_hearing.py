"""The ear: whoever waits reads, and nobody is held up by a connection that is not there."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import SimpleQueue
from typing import ClassVar

import pytest

from jobkit.hearing import Ear

LONG = 60.0


class Ears(Ear[socket.socket]):
    """Hears single bytes; each connection is the other end of one that the test has."""

    name = "test-ear"
    soonest: ClassVar[float] = 0.05
    latest: ClassVar[float] = 0.1
    failures = (OSError, ValueError)

    def __init__(self) -> None:
        super().__init__()
        self.heard: Counter[bytes | None] = Counter()
        self.speakers: SimpleQueue[socket.socket] = SimpleQueue()
        self.opened: list[socket.socket] = []
        self.may_connect = threading.Event()
        self.may_connect.set()
        self.attempts: list[float] = []
        self.refusals = 0

    def _connect(self) -> socket.socket:
        self.attempts.append(time.monotonic())
        self.may_connect.wait(LONG)
        if self.refusals:
            self.refusals -= 1
            raise OSError("refused")
        ours, theirs = socket.socketpair()
        self.opened.append(theirs)
        self.speakers.put(theirs)
        return ours

    def _hear(self, line: socket.socket, timeout: float) -> bool:
        poll = select.poll()
        poll.register(line.fileno(), select.POLLIN)
        if not poll.poll(timeout * 1_000):
            return False
        word = line.recv(1)
        if not word:
            raise OSError("hung up")
        self._note(word)
        return True

    def _note(self, word: bytes | None) -> None:
        with self._changed:
            self.heard[word] += 1

    def _cut(self, line: socket.socket) -> None:
        with suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)

    def _end(self, line: socket.socket) -> None:
        line.close()

    def hears(self, word: bytes | None, times: int = 1) -> Callable[[], bool]:
        return lambda: self.heard[word] >= times


@pytest.fixture
def ear() -> Iterator[Ears]:
    ear = Ears()
    yield ear
    ear.may_connect.set()
    ear.close()
    for each in ear.opened:
        each.close()


def begun(ear: Ears) -> socket.socket:
    """The test's end of the connection, once it is used."""
    assert ear.until(ear.hears(None), LONG)
    return ear.speakers.get(timeout=LONG)


def waiting(ear: Ears, word: bytes, timeout: float = LONG) -> Callable[[], bool]:
    """Begin to wait in another thread; the call that returns what became of it."""
    results: SimpleQueue[bool] = SimpleQueue()
    wait = threading.Thread(
        target=lambda: results.put(ear.until(ear.hears(word), timeout)), daemon=True
    )
    wait.start()
    return lambda: results.get(timeout=LONG)


def reading(ear: Ears) -> None:
    """Return when somebody reads."""
    deadline = time.monotonic() + LONG
    while not ear._reading.locked():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_whoever_waits_hears_what_is_said(ear: Ears) -> None:
    speaker = begun(ear)
    heard = waiting(ear, b"a")
    speaker.send(b"a")
    assert heard()


def test_a_wait_is_over_in_its_time(ear: Ears) -> None:
    begun(ear)
    assert not ear.until(ear.hears(b"a"), 0.01)
    assert not ear.until(ear.hears(b"a"), 0)


def test_one_reads_for_all_who_wait(ear: Ears) -> None:
    speaker = begun(ear)
    first = waiting(ear, b"a")
    reading(ear)
    second = waiting(ear, b"b")
    speaker.send(b"b")
    assert second()
    speaker.send(b"a")
    assert first()


def test_another_reads_on_when_the_one_who_read_leaves(ear: Ears) -> None:
    speaker = begun(ear)
    first = waiting(ear, b"a", timeout=0.05)
    reading(ear)
    second = waiting(ear, b"b")
    assert not first()
    speaker.send(b"b")
    assert second()


def test_what_was_said_while_nobody_waited_is_heard_by_the_next(ear: Ears) -> None:
    speaker = begun(ear)
    speaker.send(b"aab")
    assert ear.until(ear.hears(b"b"), 0)
    assert ear.heard == {None: 1, b"a": 2, b"b": 1}


def test_what_nobody_waits_for_can_be_taken_in(ear: Ears) -> None:
    ear.take_in()
    assert not ear.attempts, "it is not what makes one listen"
    speaker = begun(ear)
    speaker.send(b"a" * 1_000)
    ear.take_in()
    assert ear.heard[b"a"] == 1_000


def test_it_is_taken_in_by_the_one_who_reads_already(ear: Ears) -> None:
    speaker = begun(ear)
    heard = waiting(ear, b"a")
    reading(ear)
    ear.take_in()
    speaker.send(b"a")
    assert heard()


def test_nobody_is_held_up_by_a_server_that_lets_nobody_in(ear: Ears) -> None:
    ear.may_connect.clear()
    began = time.monotonic()
    assert not ear.until(ear.hears(None), 0.02)
    assert not ear.until(ear.hears(None), 0)
    assert time.monotonic() - began < LONG
    while not ear.attempts:
        time.sleep(0.001)
    assert len(ear.attempts) == 1
    ear.may_connect.set()
    assert ear.until(ear.hears(None), LONG)


def test_a_connection_that_is_refused_is_tried_again_after_a_while(ear: Ears) -> None:
    ear.refusals = 3
    assert ear.until(ear.hears(None), LONG)
    gaps = [after - before for before, after in zip(ear.attempts, ear.attempts[1:], strict=False)]
    assert [gap >= least for gap, least in zip(gaps, (0.05, 0.1, 0.1), strict=True)] == [True] * 3


def test_a_connection_that_breaks_is_told_of_and_replaced_after_a_while(ear: Ears) -> None:
    begun(ear).close()
    assert ear.until(ear.hears(None, 2), LONG), "who waits has to look for himself"
    broke = time.monotonic()
    assert ear.until(ear.hears(None, 3), LONG)
    assert ear.attempts[1] - broke > 0.03
    heard = waiting(ear, b"a")
    ear.speakers.get(timeout=LONG).send(b"a")
    assert heard()


def test_closing_ends_all_waits_and_the_connection(ear: Ears) -> None:
    speaker = begun(ear)
    first = waiting(ear, b"a")
    reading(ear)
    second = waiting(ear, b"b")
    ear.close()
    assert not first()
    assert not second()
    assert speaker.recv(1) == b""
    assert len(ear.attempts) == 1, "who was told to end does not begin anew"


def test_closing_while_it_connects_leaves_nothing_open(ear: Ears) -> None:
    ear.may_connect.clear()
    assert not ear.until(ear.hears(None), 0.01)
    ear.may_connect.set()
    ear.close()
    deadline = time.monotonic() + LONG
    while [each for each in threading.enumerate() if each.name == ear.name]:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    if not ear.speakers.empty():
        assert ear.speakers.get().recv(1) == b""


def test_after_it_was_closed_a_wait_begins_anew(ear: Ears) -> None:
    begun(ear)
    ear.close()
    assert ear.until(ear.hears(None, 2), LONG)
    heard = waiting(ear, b"a")
    ear.speakers.get(timeout=LONG).send(b"a")
    assert heard()
