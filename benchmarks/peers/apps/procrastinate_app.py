import os
import time

from procrastinate import App, PsycopgConnector

from benchmarks.peers.tally import ran, started

app = App(connector=PsycopgConnector(conninfo=os.environ.get("BENCH_URL", "")))


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
    app.open()


def end():
    app.close()


def prepare(url):
    with app.open():
        app.schema_manager.apply_schema()


def one(number):
    app.configure_task("noop").defer(number=number)


def many(numbers):
    numbers = list(numbers)
    app.configure_task("noop").batch_defer(*({"number": number} for number in numbers))


def send(sent):
    app.configure_task("timed").defer(sent=sent)


def nap(numbers):
    app.configure_task("napping").batch_defer(*({"number": number} for number in numbers))
