# type: ignore # noqa: PGH003 - test_samples.py takes this line out; the other checks pass over
# fmt: off
"""Every line marked `# refused` is an error in both checkers, and no other line is in either."""

from contextvars import ContextVar
from datetime import date, timedelta
from typing import Any, overload

from sqlalchemy import create_engine

import jobkit
from jobkit import Job, Unique, discard_on, enqueue, enqueue_in, job, propagate, retry_on


class WelcomeEmail(Job, queue="mailers", retry=5, timeout=600):
    def perform(self, user_id: int, *, locale: str = "en") -> str:
        return ""


class Fetch(Job):
    async def perform(self, url: str) -> bytes:
        return b""


class Child(WelcomeEmail): ...


# -- the verbs of a class

WelcomeEmail.perform_later("x")  # refused
WelcomeEmail.perform_later()  # refused
WelcomeEmail.perform_later(1, "de")  # refused
WelcomeEmail.perform_later(1, locale=2)  # refused
WelcomeEmail.perform_later(1, local="de")  # refused
WelcomeEmail.new("x")  # refused
WelcomeEmail.perform_now("x")  # refused
WelcomeEmail.perform_in(600)  # refused
WelcomeEmail.perform_in(600, "x")  # refused
WelcomeEmail.perform_in("10m", 1)  # refused
WelcomeEmail.perform_at(timedelta(1), 1)  # refused
WelcomeEmail.perform_at(600, "x")  # refused
WelcomeEmail.perform_bulk([1, 2])  # refused
WelcomeEmail.perform_bulk(["x"])  # refused
WelcomeEmail.perform_bulk([[1]])  # refused
WelcomeEmail.perform_bulk([(1,)], sprad=1)  # refused
WelcomeEmail.perform_bulk(5)  # refused
WelcomeEmail.perform_soon(1)  # refused
WelcomeEmail(1)  # refused
Fetch.perform_now(1)  # refused
Fetch.perform_later(1)  # refused
Child.perform_later("x")  # refused
number: int = WelcomeEmail.perform_now(1)  # refused
other: Fetch = WelcomeEmail.perform_later(1)  # refused

# -- set

WelcomeEmail.set(queues="x")  # refused
WelcomeEmail.set(queue=1)  # refused
WelcomeEmail.set(wait="x")  # refused
WelcomeEmail.set(retry=5)  # refused
WelcomeEmail.set(wait=5).perform_later("x")  # refused
WelcomeEmail.set(wait=5).perform_in(5, "x")  # refused
WelcomeEmail.set(wait=5).perform_at(5, "x")  # refused
WelcomeEmail.set(wait=5).perform_now("x")  # refused
WelcomeEmail.set(wait=5).new("x")  # refused
WelcomeEmail.set(wait=5).perform_bulk([1])  # refused
WelcomeEmail.set(wait=5).set(queues=1)  # refused
Fetch.set(wait=5).perform_now(1)  # refused



# -- by name

enqueue(WelcomeEmail)  # refused
enqueue("app.Send", 5)  # refused
enqueue("app.Send", queues="x")  # refused
enqueue("app.Send", retry="x")  # refused


# -- asyncio


async def later() -> None:
    await WelcomeEmail.aperform_later("x")  # refused
    await WelcomeEmail.aperform_now("x")  # refused
    await WelcomeEmail.aperform_bulk([1])  # refused
    await WelcomeEmail.set(wait=5).aperform_later("x")  # refused
    await Fetch.aperform_now(1)  # refused
    await Fetch.perform_later("x")  # refused
    text: str = await Fetch.aperform_now("x")  # refused
    print(text)


# -- class options


class BadName(Job, queues="x"):  # refused
    pass


class BadType(Job, retry="x"):  # refused
    pass


class BadChild(WelcomeEmail, timeouts=5):  # refused
    pass


# -- functions


@job(queues="x")  # refused
def bad_option(user_id: int) -> None: ...


@job(retry="x")  # refused
def bad_type(user_id: int) -> None: ...


@job(queue="mailers")
def remind(user_id: int, *, locale: str = "en") -> str:
    return ""


@job
async def fetch(url: str) -> bytes:
    return b""


remind("x")  # refused
remind.perform_later("x")  # refused
remind.perform_in(5, "x")  # refused
remind.perform_now("x")  # refused
remind.perform_bulk([1])  # refused
remind.set(wait=5).perform_later("x")  # refused
remind.set(wai=5)  # refused
fetch.perform_now(1)  # refused
wrong: str = fetch.perform_now("x")  # refused


# -- rules


@retry_on(ConnectionError, wait=3)
@job
@discard_on(KeyError)
def ruled(user_id: int) -> str:
    return ""


@retry_on(ConnectionError)
class Ruled(Job):
    def perform(self, user_id: int) -> str:
        return ""


ruled("x")  # refused
ruled.perform_later("x")  # refused
Ruled.perform_later("x")  # refused
retry_on("ConnectionError")  # refused
retry_on(ConnectionError())  # refused
retry_on(ConnectionError, wait="soon")  # refused
retry_on(ConnectionError, attempt=3)  # refused
discard_on(KeyError, handler=5)  # refused
retry_on(ConnectionError)(5)  # refused


# -- versions, privacy, context


class Versioned(Job, version="2"):  # refused
    def perform(self) -> None: ...


class Private(Job, redact="card", encrypt="yes"):  # refused
    def perform(self, card: str) -> None: ...


tenant: ContextVar[str] = ContextVar("tenant")
propagate("tenant")  # refused
propagate(tenant, dump=5)  # refused
propagate(tenant, load=date.fromisoformat)  # refused


# -- limits: right at run time, refused all the same


class Repeated(WelcomeEmail):
    def perform(self, user_id: str) -> str:  # refused
        return ""


class Overloaded(Job):
    """Only the first overload counts."""

    @overload
    def perform(self, x: int) -> int: ...
    @overload
    def perform(self, x: str, y: int) -> str: ...
    def perform(self, x: Any, y: int = 0) -> Any:
        return x


Overloaded.perform_later(1)
Overloaded.perform_later("x", 1)  # refused

# -- transactions

class Wrong(Job, after_commit="yes"):  # refused
    ...


WelcomeEmail.set(after_commit=True)  # refused
enqueue_in("sqlite://")  # refused
enqueue_in(create_engine("sqlite://"))  # refused
WelcomeEmail.new(1).complete_in(None)  # refused

# -- unique jobs

WelcomeEmail.set(unique=True)  # refused
Unique(until="end")  # refused
Unique(on_conflict="wait")  # refused

# -- names of the package

jobkit.perfrom_all_later([])  # refused
jobkit.settings.presently()  # refused
