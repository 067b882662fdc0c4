"""Enqueueing where programs do odd things: forks, signal handlers, at the exit, while logging."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from textwrap import dedent

import pytest

from jobkit.adapter import State
from tests.integration.worker.site import Site
from tests.soak import SOAK

SIGNALS = 10_000 if SOAK else 300
EACH = 1_000 if SOAK else 300
PATIENCE = 300 if SOAK else 120
"""Seconds: ten thousand signals are some twenty thousand commits, each waited for by the disk."""

pytestmark = pytest.mark.timeout(2 * PATIENCE)

PROGRAM = """
    import atexit, faulthandler, gc, logging, os, signal, sys, threading, time
    import jobkit
    from jobkit_sql.dialects.sqlite import patience, turns

    turns.BUSY_TIMEOUT = patience.BUSY_TIMEOUT = 60.0  # on a busy machine a turn may be late
    faulthandler.dump_traceback_later(PATIENCE, exit=True)  # a deadlock ends with its stacks


    class Note(jobkit.Job, name="Note"):
        def perform(self, what): ...


    Note.perform_later("first")  # what is loaded at first use, Python loads in no handler
"""


def run(site: Site, source: str) -> Counter[str]:
    """What the program's jobs note, when it has ended; a dictionary of numbers."""
    script = site.folder / "program.py"
    program = dedent(PROGRAM).replace("PATIENCE", str(PATIENCE)) + dedent(source)
    script.write_text(program)
    done = subprocess.run(
        # Newer Pythons warn of forks beside threads, which is what is tried here.
        [sys.executable, "-W", "ignore::DeprecationWarning", str(script)],
        cwd=site.folder,
        env={**os.environ, "JOBKIT_URL": site.url},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE + 8,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return noted(site)


def noted(site: Site) -> Counter[str]:
    found: Counter[str] = Counter()
    cursor: str | None = None
    while True:
        page = site.store.jobs(State.ENQUEUED, limit=1_000, after=cursor)
        found.update(job.payload.args[0] for job in page.items)
        if page.next is None:
            return found
        cursor = page.next


def test_both_sides_of_a_fork_enqueue_and_every_job_is_there(site: Site) -> None:
    found = run(
        site,
        f"""
        child = os.fork()
        for _ in range({EACH}):
            Note.perform_later("parent" if child else "child")
        if not child:
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        """,
    )
    assert found == {"first": 1, "parent": EACH, "child": EACH}


def test_a_fork_in_the_middle_of_an_enqueue_harms_neither_side(site: Site) -> None:
    found = run(
        site,
        """
        def work():
            for _ in range(300):
                Note.perform_later("thread")

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        children = []
        for _ in range(5):
            time.sleep(0.02)
            child = os.fork()
            if not child:
                for _ in range(20):
                    Note.perform_later("child")
                os._exit(0)
            children.append(child)
        for child in children:
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        for thread in threads:
            thread.join()
        """,
    )
    assert found == {"first": 1, "thread": 600, "child": 100}


def test_enqueueing_in_a_signal_handler_deadlocks_never_and_loses_nothing(site: Site) -> None:
    found = run(
        site,
        f"""
        handled = 0

        def handle(number, frame):
            global handled
            Note.perform_later("handler")
            handled += 1

        signal.signal(signal.SIGUSR1, handle)
        over = threading.Event()

        def send():
            sent = 0
            while not over.wait(0.0002):
                if sent == handled:  # else the handler may interrupt itself for ever
                    sent += 1
                    os.kill(os.getpid(), signal.SIGUSR1)

        sender = threading.Thread(target=send)
        sender.start()
        main = 0
        while handled < {SIGNALS}:
            Note.perform_later("main")
            main += 1
        over.set()
        sender.join()
        Note.perform_later(f"{{main}} {{handled}}")
        """,
    )
    [told] = [what for what in found if " " in what]
    main, handled = map(int, told.split())
    assert found == {"first": 1, "main": main, "handler": handled, told: 1}
    assert handled >= SIGNALS


def test_enqueueing_at_the_exit_in_del_and_while_logging(site: Site) -> None:
    found = run(
        site,
        """
        class Handler(logging.Handler):
            def emit(self, record):
                if record.name == "app":
                    Note.perform_later("logged")

        class Cycle:
            def __init__(self):
                self.itself = self

            def __del__(self):
                Note.perform_later("deleted")

        logging.getLogger().addHandler(Handler())
        gc.set_threshold(50)  # so that it collects in the middle of everything
        for _ in range(300):
            Cycle()
            logging.getLogger("app").warning("something")
        gc.collect()
        atexit.register(lambda: Note.perform_later("exit"))
        """,
    )
    assert found == {"first": 1, "logged": 300, "deleted": 300, "exit": 1}
