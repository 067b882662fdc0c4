"""Accepted by mypy --strict and pyright strict, and runs."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterator
from contextvars import ContextVar
from datetime import UTC, date, datetime, timedelta
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, Unpack, assert_type

import alembic.op
from pydantic import BaseModel
from sqlalchemy import Connection, create_engine
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import Session, scoped_session

import jobkit_sql.alembic
from jobkit import (
    Job,
    JobOptions,
    Unique,
    aenqueue,
    aperform_all_later,
    discard_on,
    enqueue,
    enqueue_in,
    job,
    perform_all_later,
    propagate,
    retry_on,
)
from jobkit.jobs import Configured, FunctionJob

Q = ParamSpec("Q")
S = TypeVar("S")
JobT = TypeVar("JobT", bound=Job)


class WelcomeEmail(Job, queue="mailers", retry=5, timeout=600):
    def perform(self, user_id: int, *, locale: str = "en") -> str:
        return f"{user_id} {locale}"


class Fetch(Job, queue=lambda job: "q", timeout=timedelta(minutes=1), retry=False):
    async def perform(self, url: str, times: int = 1) -> bytes:
        return url.encode() * times


# -- the verbs of a class

assert_type(WelcomeEmail.perform_later(1, locale="de"), WelcomeEmail)
assert_type(WelcomeEmail.perform_later(user_id=1), WelcomeEmail)
assert_type(WelcomeEmail.new(1), WelcomeEmail)
assert_type(WelcomeEmail.perform_now(1), str)
assert_type(WelcomeEmail.perform_in(600, 1, locale="de"), WelcomeEmail)
assert_type(WelcomeEmail.perform_in(timedelta(minutes=10), 1), WelcomeEmail)
assert_type(WelcomeEmail.perform_at(datetime.now(UTC), 1), WelcomeEmail)
assert_type(WelcomeEmail.perform_at(1_700_000_000.5, 1), WelcomeEmail)
assert_type(WelcomeEmail.perform_bulk((n,) for n in range(3)), int)
assert_type(WelcomeEmail.perform_bulk([(1,), {"user_id": 2}], spread=60), int)
assert_type(WelcomeEmail.perform_bulk([{"user_id": 2, "locale": "de"}]), int)
assert_type(Fetch.perform_now("x"), bytes)
assert_type(Fetch.perform_later("x", times=2), Fetch)
instance = WelcomeEmail.perform_later(1)
assert_type(instance.args, list[Any])
assert_type(instance.perform(1), str)

# -- by name

assert_type(enqueue("app.Send", [1], {"to": "x"}, queue="low", retry=False, wait=5), Job)

# -- set

assert_type(WelcomeEmail.set(queue="x", wait=5).perform_later(1), WelcomeEmail)
assert_type(WelcomeEmail.set(queue="x").perform_now(1), str)
assert_type(WelcomeEmail.set(queue="x").perform_in(5, 1, locale="de"), WelcomeEmail)
assert_type(WelcomeEmail.set(tags=["x"]).perform_at(5.0, 1), WelcomeEmail)
assert_type(WelcomeEmail.set(priority=1).perform_bulk([(1,)], spread=5), int)
assert_type(WelcomeEmail.set(queue="x").set(wait=timedelta(1)).new(1), WelcomeEmail)
assert_type(Fetch.set(queue="x").perform_now("x"), bytes)
assert_type(WelcomeEmail.set(unique=Unique(by=("user_id",))).perform_later(1), WelcomeEmail)
assert_type(WelcomeEmail.set(unique=None).perform_later(1).duplicate_of, str | None)


class Weekly(Job, unique=Unique(lambda job: job.args, timedelta(days=7), "replace")):
    def perform(self) -> None: ...


# -- asyncio


async def later() -> None:
    assert_type(await WelcomeEmail.aperform_later(1), WelcomeEmail)
    assert_type(await WelcomeEmail.aperform_now(1), str)
    assert_type(await WelcomeEmail.aperform_bulk([(1,)]), int)
    assert_type(await Fetch.aperform_now("x"), bytes)
    assert_type(await WelcomeEmail.set(wait=5).aperform_later(1), WelcomeEmail)
    assert_type(await WelcomeEmail.set(wait=5).aperform_now(1), str)
    assert_type(await Fetch.set(wait=5).aperform_now("x"), bytes)
    first, second = await asyncio.gather(Fetch.aperform_later("x"), WelcomeEmail.aperform_later(1))
    assert_type(first, Fetch)
    assert_type(second, WelcomeEmail)
    task = asyncio.create_task(Fetch.aperform_now("x"))
    assert_type(await task, bytes)
    assert_type(await aenqueue("app.Send", ["x"], queue="low"), Job)
    assert_type(await aperform_all_later([WelcomeEmail.new(1)]), list[WelcomeEmail])
    coroutine: Coroutine[Any, Any, bytes] = Fetch.aperform_now("x")
    await coroutine


asyncio.run(later())


# -- inheritance


class ApplicationJob(Job, retry=3):
    """No perform: anything goes."""

    def log(self) -> None: ...


class Anything(ApplicationJob):
    def perform(self, *args: object) -> None: ...


class Child(WelcomeEmail): ...


class Cleanup(ApplicationJob, queue="low"):
    def perform(self, mode: str) -> None:
        self.log()


class Abstract(ApplicationJob, ABC):
    @abstractmethod
    def perform(self, user_id: int) -> int: ...


class Concrete(Abstract):
    def perform(self, user_id: int) -> int:
        return user_id


class Options(Job):
    """A base class that hooks in and passes the options on, typed."""

    def __init_subclass__(cls, **options: Unpack[JobOptions]) -> None:
        super().__init_subclass__(**options)


class WithOptions(Options, queue="x"):
    def perform(self) -> None: ...


class Versioned(Job, version=2, aliases=["app.Former"], redact=["card"], log_arguments=False):
    def perform(self, card: str, *, locale: str) -> None: ...

    @classmethod
    def upgrade(
        cls, args: list[Any], kwargs: dict[str, Any], version: int
    ) -> tuple[list[Any], dict[str, Any]]:
        return args, {"locale": "en", **kwargs}


class Encrypted(Job, encrypt=True):
    def perform(self, card: str) -> None: ...


@job(version=2, encrypt=False)
def versioned(user_id: int) -> int:
    return user_id


@versioned.upgrade
def translate(
    args: list[Any], kwargs: dict[str, Any], version: int
) -> tuple[list[Any], dict[str, Any]]:
    return args, kwargs


assert_type(versioned.perform_now(1), int)
assert_type(translate([1], {}, 1), tuple[list[Any], dict[str, Any]])

# -- context variables

assert_type(propagate(ContextVar("tenant", default="public")), ContextVar[str])
as_of: ContextVar[date] = ContextVar("as_of")
assert_type(
    propagate(as_of, name="day", dump=date.isoformat, load=date.fromisoformat), ContextVar[date]
)


class Tracked(Job):
    """A verb overridden through super().

    mypy (not pyright) answers the class, not ``Self``, inside the class's own classmethods.
    """

    def perform(self, user_id: int) -> None: ...

    @classmethod
    def perform_later(cls, /, *args: Any, **kwargs: Any) -> "Tracked":
        return super().perform_later(*args, **kwargs)

    @classmethod
    def enqueue_twice(cls, user_id: int) -> "Tracked":
        cls.perform_later(user_id)
        return cls.perform_later(user_id)

    def again(self) -> None:
        self.perform_later(1)
        self.set(wait=5).perform_later(1)


assert_type(Child.perform_later(1, locale="de"), Child)
assert_type(Child.perform_now(1), str)
assert_type(Child.set(wait=1).perform_later(1), Child)
assert_type(Cleanup.perform_later("full"), Cleanup)
assert_type(Cleanup.perform_now("full"), None)
assert_type(Concrete.perform_later(1), Concrete)
WithOptions.perform_later()
assert_type(Tracked.perform_later(1), Tracked)
assert_type(Tracked.enqueue_twice(1), Tracked)
Tracked.new(1).again()

# -- classes as values


def any_class(c: type[Job], w: type[WelcomeEmail], generic: type[JobT]) -> Job:
    assert_type(c.perform_later(1, 2, x=3), Job)
    assert_type(w.perform_later(1), WelcomeEmail)
    return generic.perform_later(1, "x")  # JobT in pyright, its bound in mypy


def forward(configured: Configured[Q, S, Job], *args: Q.args, **kwargs: Q.kwargs) -> Job:
    return configured.perform_later(*args, **kwargs)


class AnyCall(Job):
    def perform(self, *args: object, **kwargs: object) -> None: ...


any_class(AnyCall, WelcomeEmail, Anything)
forward(WelcomeEmail.set(wait=5), 1, locale="de")
callback: Callable[[int], WelcomeEmail] = WelcomeEmail.perform_later
assert_type([WelcomeEmail.perform_later(n) for n in range(3)], list[WelcomeEmail])
assert_type(perform_all_later([WelcomeEmail.new(1)]), list[WelcomeEmail])
mixed: list[Job] = perform_all_later([WelcomeEmail.new(1), Cleanup.new("x")])


# -- unusual performs


class User(BaseModel):
    name: str


class Model(Job):
    def perform(self, user: User, /, *users: User, **more: int) -> User:
        return user


class NoArguments(Job):
    def perform(self) -> None: ...


class Named(Job):
    """Parameters that bear the names of the verbs' own."""

    def perform(self, cls: int, delay: int = 1, when: int = 1, queue: str = "") -> int:
        return cls + delay + when


class Static(Job):
    @staticmethod
    def perform(user_id: int) -> str:
        return ""


def traced(f: Callable[Concatenate[S, Q], int]) -> Callable[Concatenate[S, Q], int]:
    return f


class Decorated(Job):
    @traced
    def perform(self, x: int) -> int:
        return x


class Base(Job, Generic[S]):
    def perform(self, x: S) -> list[S]:
        return [x]


class OfInt(Base[int], queue="x"): ...


user = User(name="Ada")
assert_type(Model.perform_later(user, user, a=1), Model)
assert_type(Model.set(wait=1).perform_now(user), User)
assert_type(NoArguments.perform_later(), NoArguments)
assert_type(Named.perform_later(cls=1, delay=2, when=3, queue="q"), Named)
assert_type(Named.perform_in(5, cls=1, delay=2, when=3), Named)
assert_type(Named.perform_at(5, 1, when=3), Named)
assert_type(Named.set(wait=1).perform_now(cls=1, delay=2), int)
assert_type(Static.perform_later(1), Static)
assert_type(Decorated.perform_later(1), Decorated)
assert_type(Decorated.perform_now(1), int)
assert_type(OfInt.perform_later(1), OfInt)
assert_type(OfInt.perform_now(1), list[int])


# -- functions


@job(queue="mailers", retry=2)
def remind(user_id: int, *, locale: str = "en") -> str:
    return f"{user_id} {locale}"


@job
async def fetch(url: str) -> bytes:
    return url.encode()


@job
def bare(user_id: int) -> int:
    return user_id


@job()
def called(user_id: int) -> int:
    return user_id


assert_type(remind(1, locale="de"), str)
assert_type(remind.perform_later(1, locale="de"), Job)
assert_type(remind.new(1), Job)
assert_type(remind.perform_now(1), str)
assert_type(remind.perform_in(600, 1), Job)
assert_type(remind.perform_at(600, 1), Job)
assert_type(remind.perform_bulk([(1,), {"user_id": 2}]), int)
assert_type(remind.set(queue="x").perform_later(1), Job)
assert_type(remind.set(queue="x").perform_now(1), str)
assert_type(fetch.perform_now("x"), bytes)
assert_type(fetch.perform_later("x"), Job)
assert_type(bare.perform_now(1), int)
assert_type(called.perform_now(1), int)


async def functions() -> None:
    assert_type(await fetch("x"), bytes)
    assert_type(await fetch.aperform_now("x"), bytes)
    assert_type(await fetch.aperform_later("x"), Job)
    assert_type(await remind.aperform_now(1), str)


asyncio.run(functions())


# -- rules


@retry_on(ConnectionError, wait=lambda executions: executions**2 * 300, attempts=10)
@retry_on(ConnectionError, wait="polynomially_longer", on_exhausted=lambda job, error: None)
@discard_on(KeyError)
class Ruled(Job, queue="x"):
    def perform(self, user_id: int) -> str:
        return ""


class RuledChild(Ruled): ...


@retry_on(ConnectionError, wait=3)
@job(queue="x")
@discard_on(KeyError)
def ruled(user_id: int) -> str:
    return ""


@job
@retry_on(ConnectionError, wait=timedelta(minutes=1))
async def ruled_async(user_id: int) -> str:
    return ""


@discard_on(KeyError)
@job
def ruled_bare(user_id: int) -> str:
    return ""


assert_type(Ruled.perform_later(1), Ruled)
assert_type(RuledChild.perform_now(1), str)
assert_type(ruled(1), str)
assert_type(ruled.perform_later(1), Job)
assert_type(ruled.perform_now(1), str)
assert_type(ruled_async.perform_now(1), str)
assert_type(ruled_bare.set(wait=1).perform_now(1), str)


def function_jobs() -> Iterator[FunctionJob[..., Any]]:
    yield ruled
    yield fetch


# -- transactions


class Paid(Job, after_commit=True):
    def perform(self, order_id: int) -> None:
        with Session(create_engine("sqlite://")) as session, self.complete_in(session):
            session.flush()


def in_transactions(
    connection: Connection, session: Session, scoped: scoped_session[Session]
) -> None:
    for given in (connection, session, scoped):
        with enqueue_in(given):
            assert_type(Paid.perform_later(1), Paid)


async def in_awaited_transactions(session: AsyncSession, connection: AsyncConnection) -> None:
    async with enqueue_in(session), enqueue_in(connection):
        assert_type(await Paid.aperform_later(1), Paid)
        async with Paid.new(1).complete_in(session):
            await session.commit()


def migration() -> None:
    assert_type(jobkit_sql.alembic.upgrade(alembic.op, to=1), list[str])
