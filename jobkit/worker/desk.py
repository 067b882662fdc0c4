"""What a worker's threads share: the identity, the claims in hand, and the words between them."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Literal

from jobkit.adapter import Adapter, Claim, Presence
from jobkit.clock import Clock
from jobkit.holding import Holder
from jobkit.worker.board import Board, NoBoard
from jobkit.worker.options import WorkerOptions

__all__ = ["Broken", "Desk", "Message", "new_identity"]


@dataclass(frozen=True, slots=True)
class Broken:
    """A part of the worker met an error that it must not meet."""

    part: str
    error: BaseException


Message = Literal["quiet", "stop", "done", "stuck"] | Broken
"""To the main thread: an order, the end of a burst, a thread that is lost, a broken part."""


def new_identity() -> str:
    """`host:pid:` and 64 random bits: new at every start and after every loss of the lease."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(8)}"


class Desk:
    """Shared by the parts of one worker.

    `held` maps the receipt of every claim that is not settled yet to it: the claimer adds, the
    settler takes out; single operations on a dict need no lock. `lending` is held by who has jobs
    lent to this worker on another thread than the claimer's, until they stand in `held`.
    """

    holder: Holder | None = None
    """What jobs ask while they run."""

    def __init__(
        self,
        adapter: Adapter,
        options: WorkerOptions,
        clock: Clock,
        *,
        board: Board | None = None,
        announce: Callable[[str], object] = lambda identity: None,
    ) -> None:
        """`announce` is told of every identity before it is registered."""
        self.adapter = adapter
        self.options = options
        self.clock = clock
        self.board = board or NoBoard()
        self._announce = announce
        self.identity = new_identity()
        self.held: dict[str, Claim] = {}
        self.lending = threading.Lock()
        self.unsure = False
        """An answer was lost: the store may have lent jobs that are not in `held`."""
        self.abandoned: set[str] = set()
        """Receipts that the store will not take back: they end with the lease."""
        # The receipts of those that were cancelled meanwhile.
        self.cancelled: set[str] = set()
        self.inbox: SimpleQueue[Message] = SimpleQueue()
        self.quiet = threading.Event()
        """No more claims are taken."""
        self.stopping = threading.Event()
        """Jobs should come to an end."""
        self.fenced = threading.Event()
        """The worker was declared dead: nothing is taken until it is registered anew."""
        self.beaten = clock.monotonic()
        """When the last beat that came through was sent, in monotonic seconds."""
        self.lost: set[str] = set()
        """Receipts of jobs that are others' now; only told by stores whose receipts do not."""
        self.worn = threading.Event()
        """The process has taken as much memory as it may: it leaves when nothing runs."""
        self.hurried = False
        """Nobody waits for running jobs any more."""
        self.started_at = clock.time()

    @property
    def identity(self) -> str:
        """Under which the worker is registered; a new one after its lease was lost."""
        return self._identity

    @identity.setter
    def identity(self, identity: str) -> None:
        # Told first: whoever recovers this process's jobs must know every name it ever had.
        self._announce(identity)
        self._identity = identity

    @property
    def lapsed(self) -> bool:
        """True when nobody could beat for a whole lease: others may have taken the jobs.

        Counted from when the last beat was sent, since it may have been noted no later than that.
        The supervisor's beats count, too.
        """
        lease, now = self.options.lease, self.clock.monotonic()
        return now - self.beaten >= lease and now - self.board.beaten() >= lease

    def presence(self) -> Presence:
        """What the worker tells about itself."""
        return Presence(
            host=socket.gethostname(),
            pid=os.getpid(),
            queues=self.options.queues.names,
            concurrency=self.options.concurrency,
            started_at=self.started_at,
            quiet=self.quiet.is_set(),
            rss=resident_bytes(),
            embedded=self.options.embedded,
        )


def resident_bytes() -> int:
    """The process's resident memory; 0 where the system does not tell."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
