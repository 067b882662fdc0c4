"""Finds equal files below a folder, by a job for each of them."""

import hashlib
import sys
from pathlib import Path

from sqlalchemy import Column, MetaData, String, Table, create_engine, delete, insert, select

import jobkit
from jobkit import Job, discard_on, retry_on

jobkit.configure(url="sqlite:///duplicates.db")
engine = create_engine("sqlite:///duplicates.db")  # the jobs' own file: one transaction for both
metadata = MetaData()
files = Table(
    "files",
    metadata,
    Column("path", String, primary_key=True),
    Column("digest", String, index=True, nullable=False),
)


@retry_on(OSError, wait=5, attempts=3)
@discard_on(FileNotFoundError)
class Hash(Job, queue="files"):
    """Notes what is in a file."""

    def perform(self, path: Path) -> None:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        with engine.begin() as connection, self.complete_in(connection):
            connection.execute(delete(files).where(files.c.path == str(path)))
            connection.execute(insert(files).values(path=str(path), digest=digest))


def enqueue(folder: Path) -> int:
    """Store a job for each file, however many; the number."""
    metadata.create_all(engine)
    rows = ((path,) for path in folder.resolve().rglob("*") if path.is_file())
    return Hash.perform_bulk(rows)


def groups() -> list[list[str]]:
    """The paths of equal files, as far as the jobs have come."""
    found: dict[str, list[str]] = {}
    with engine.connect() as connection:
        for path, digest in connection.execute(select(files).order_by(files.c.path)):
            found.setdefault(digest, []).append(path)
    return [paths for paths in found.values() if len(paths) > 1]


def main() -> None:
    match sys.argv[1:]:
        case ["enqueue", folder]:
            print(enqueue(Path(folder)), "files to look at")
        case ["report"]:
            for paths in groups():
                print("equal:", *paths, sep="\n  ")
        case _:
            sys.exit("use: duplicates.py enqueue FOLDER | report")


if __name__ == "__main__":
    main()
