import os
import time

from procrastinate import App, SyncPsycopgConnector

from benchmarks.peers.tally import ran, started

_url = os.environ.get("BENCH_URL", "")


def _connector():
    from procrastinate import PsycopgConnector

    return PsycopgConnector(conninfo=_url)


app = App(connector=_connector())
sync = app.with_connector(SyncPsycopgConnector(conninfo=_url))


@app.task(name="noop")
def noop(number):
    ran()


@app.task(name="timed")
def timed(sent):
    started(sent)


@app.task(name="napping")
def napping(number):
    time.sleep(0.01)
    ran()


def begin():
    sync.open()


def end():
    sync.close()


def prepare(url):
    with sync.open():
        sync.schema_manager.apply_schema()


def one(number):
    sync.configure_task("noop").defer(number=number)


def many(numbers):
    numbers = list(numbers)
    sync.configure_task("noop").batch_defer(*({"number": number} for number in numbers))


def send(sent):
    sync.configure_task("timed").defer(sent=sent)


def nap(numbers):
    sync.configure_task("napping").batch_defer(*({"number": number} for number in numbers))
