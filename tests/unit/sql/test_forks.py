"""A fork: the child has connections of its own, and the parent's are not harmed.

In processes of their own, with one thread, since forking the test runner is asking for trouble.
"""

from __future__ import annotations

from contextlib import closing

from jobkit_sql import SqlAdapter
from tests.unit.sql.support import enqueue, run

START = """
    import os, sys, threading
    from tests.unit.sql.support import claim, enqueue, register
    from jobkit_sql import SqlAdapter

    def told(fd):
        return os.read(fd, 1)

    def ended(pid):
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    adapter = SqlAdapter(sys.argv[1])
    enqueue(adapter)
    adapter.wait([], 0)
    """


def test_both_sides_enqueue_after_a_fork_in_the_middle(url: str) -> None:
    run(
        START
        + """
    for number in range(500):
        enqueue(adapter)
    pid = os.fork()
    for number in range(500):
        enqueue(adapter)
    if not pid:
        os._exit(0)
    assert ended(pid) == 0
    """,
        url,
    )
    with closing(SqlAdapter(url)) as adapter:
        assert adapter.stats().enqueued == 1501


def test_what_a_child_commits_outlives_the_parents_close(url: str) -> None:
    """The bug: SQLite's record of locks was inherited, and the log went with the parent."""
    run(
        START
        + """
    to_child, from_parent = os.pipe()
    to_parent, from_child = os.pipe()
    pid = os.fork()
    if not pid:
        enqueue(adapter)
        os.write(from_child, b".")
        told(to_child)
        enqueue(adapter)
        os._exit(0)
    told(to_parent)
    adapter.close()
    os.write(from_parent, b".")
    assert ended(pid) == 0
    """,
        url,
    )
    with closing(SqlAdapter(url)) as adapter:
        assert adapter.stats().enqueued == 3


def test_a_lock_held_by_a_thread_at_the_fork_is_not_the_childs(url: str) -> None:
    run(
        START
        + """
    database = adapter._store._here().database
    held, done = threading.Event(), threading.Event()

    def hold():
        with database._turn.held():
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    pid = os.fork()
    if not pid:
        enqueue(adapter)
        os._exit(0)
    assert ended(pid) == 0
    done.set()
    thread.join()
    """,
        url,
    )
    with closing(SqlAdapter(url)) as adapter:
        assert adapter.stats().enqueued == 2


def test_a_fork_waits_for_connections_in_use_and_threads_go_on_after_it(url: str) -> None:
    run(
        START
        + """
    stop = threading.Event()
    failures = []

    def work():
        while not stop.is_set():
            try:
                enqueue(adapter)
                adapter.stats()
                adapter.wait([], 0.001)
            except BaseException as error:
                failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        pid = os.fork()
        if not pid:
            for _ in range(5):
                enqueue(adapter, queue="child")
            os._exit(0)
        assert ended(pid) == 0
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == [], failures
    """,
        url,
    )
    with closing(SqlAdapter(url)) as adapter:
        sizes = {queue.name: queue.size for queue in adapter.queues()}
        assert sizes["child"] == 100


def test_a_child_may_fork_in_turn(url: str) -> None:
    """The bug: the second fork waited for threads that only the first process had."""
    run(
        START
        + """
    import time
    from jobkit_sql.dialects.sqlite import gate as module
    module._PATIENCE = 0.1
    gate = adapter._store._here().database._gate
    inside, done = threading.Event(), threading.Event()

    def hold():
        with gate:
            inside.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait()
    pid = os.fork()
    if not pid:
        enqueue(adapter)
        module._PATIENCE = 10.0
        began = time.monotonic()
        child = os.fork()
        assert time.monotonic() - began < 5
        if not child:
            enqueue(adapter)
            os._exit(0)
        assert ended(child) == 0
        enqueue(adapter)
        os._exit(0)
    assert ended(pid) == 0
    done.set()
    thread.join()
    enqueue(adapter)
    """,
        url,
    )
    with closing(SqlAdapter(url)) as adapter:
        assert adapter.stats().enqueued == 5


def test_a_child_that_ends_normally_closes_nothing_of_its_parents(url: str) -> None:
    run(
        START
        + """
    register(adapter, "worker")
    held = claim(adapter, "worker")
    pid = os.fork()
    if not pid:
        adapter.close()
        sys.exit(0)
    assert ended(pid) == 0
    from jobkit.adapter import Ack
    assert adapter.settle([Ack(each) for each in held]) == []
    """,
        url,
    )
    with closing(SqlAdapter(url)) as adapter:
        assert adapter.stats().processed == 1
        enqueue(adapter)
