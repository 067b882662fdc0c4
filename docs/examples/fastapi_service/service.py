"""Links and their titles."""

import asyncio
import os
import re
from typing import Annotated
from urllib.request import urlopen

from fastapi import Depends, FastAPI, HTTPException
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import jobkit
from jobkit import Job, retry_on
from jobkit.contrib.fastapi import enqueues_with, serves_jobs

URL = os.environ.get("SERVICE_URL", "sqlite:///service.db")
engine = create_engine(URL)
jobkit.configure(url=URL)


class Base(DeclarativeBase):
    pass


class Link(Base):
    __tablename__ = "links"

    id: Mapped[int] = mapped_column(primary_key=True)
    url: Mapped[str]
    title: Mapped[str | None]


Base.metadata.create_all(engine)


@retry_on(OSError, wait="polynomially_longer", attempts=5)
class FindTitle(Job):
    """Reads a page and keeps its title. Many run at once, on one thread."""

    async def perform(self, link_id: int) -> None:
        with Session(engine) as session:
            url = session.get_one(Link, link_id).url
        page = await asyncio.to_thread(read, url)
        found = re.search(r"<title[^>]*>(.*?)</title>", page, re.IGNORECASE | re.DOTALL)
        with Session(engine) as session, session.begin():
            session.get_one(Link, link_id).title = found[1].strip() if found else ""


def read(url: str) -> str:
    with urlopen(url, timeout=10) as answer:  # noqa: S310 - its scheme was checked
        return answer.read(100_000).decode("utf-8", "replace")


def get_session():
    with Session(engine) as session:
        yield session


WithJobs = Annotated[Session, Depends(enqueues_with(get_session))]
app = FastAPI(lifespan=serves_jobs(concurrency=4))


@app.post("/links", status_code=201)
def shorten(url: str, session: WithJobs) -> dict:
    if not url.startswith(("http://", "https://")):
        raise HTTPException(422, "a link begins with http:// or https://")
    link = Link(url=url)
    session.add(link)
    session.flush()  # which gives it its number
    FindTitle.perform_later(link.id)
    session.commit()  # the link and the job, or neither
    return {"id": link.id}


@app.get("/links/{number}")
def show(number: int, session: WithJobs) -> dict:
    link = session.get(Link, number)
    if link is None:
        raise HTTPException(404, "there is no such link")
    return {"url": link.url, "title": link.title}
