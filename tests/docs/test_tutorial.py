"""The tutorial, followed word for word: its files written, its commands run, its results seen."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from jobkit.settings.model import RULES

PAGES = sorted((Path(__file__).parents[2] / "docs" / "tutorial").glob("[0-9]-*.md"))
NOT_HERE = ("pip ", "cd ", "mkdir ", "python3 -m venv", ". .venv")
"""What makes the reader's environment: the tests have one."""

STAYS = re.compile(r"jobkit (worker(?!.*--burst)|dashboard)")
"""What runs until it is stopped, in a terminal of its own."""


class Reader:
    """Somebody with an empty folder who does as they read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ours = {f"JOBKIT_{name.upper()}" for name in RULES}
        kept = {name: value for name, value in os.environ.items() if name not in ours}
        path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
        self.environment = {**kept, "PATH": path}
        self.others: list[subprocess.Popen[bytes]] = []

    def write(self, name: str, text: str) -> None:
        file = self.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, "utf-8")

    def run(self, command: str, expected: str) -> None:
        if command.startswith(NOT_HERE):
            return
        if STAYS.match(command):
            self.begin(command)
            return
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=250,
        )
        assert done.returncode == 0, f"$ {command}\n{done.stdout}"
        assert pattern(expected).fullmatch(done.stdout), (
            f"$ {command}\nis to say\n{expected}\nand says\n{done.stdout}"
        )

    def begin(self, command: str) -> None:
        """Start it in a terminal of its own, on a free port where it listens."""
        words = [*command.split(), *(["--port", "0"] if "dashboard" in command else [])]
        said = self.folder / f"terminal-{len(self.others)}.log"
        with said.open("w", encoding="utf-8") as log:
            self.others.append(
                subprocess.Popen(
                    [sys.executable, "-m", *words],
                    cwd=self.folder,
                    env=self.environment,
                    stdout=log,
                    stderr=log,
                )
            )
        while not said.stat().st_size:  # until it has begun
            assert self.others[-1].poll() is None, words
            time.sleep(0.05)

    def end(self) -> None:
        """Press Ctrl-C in the other terminals."""
        for other in self.others:
            other.send_signal(signal.SIGINT)
            other.wait(250)
            assert other.returncode in (0, 130), other.args
        self.others.clear()


def pattern(expected: str) -> re.Pattern[str]:
    """What a command is to say, where `…` is anything: a line of its own, none or many lines."""
    lines = [re.escape(line).replace("…", ".*") for line in expected.splitlines()]
    return re.compile(".*".join(lines) + r"\s*" if lines else r"\s*", re.DOTALL)


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    fenced = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    yield from fenced.findall(page.read_text("utf-8"))


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Each command of a block with what stands below it."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        yield command, expected


@pytest.mark.timeout(300)
def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    try:
        for page in PAGES:
            follow(page, reader)
            reader.end()
    finally:
        for other in reader.others:
            other.kill()


def follow(page: Path, reader: Reader) -> None:
    for language, text in blocks(page):
        if language in ("python", "toml"):
            first, _, _ = text.partition("\n")
            reader.write(first.removeprefix("# "), text)
        elif language == "console":
            for command, expected in commands(text):
                reader.run(command, expected)


def test_the_pages_are_linked_in_order() -> None:
    for page, following in pairwise(PAGES):
        assert f"]({following.name})" in page.read_text("utf-8")


def test_an_answer_that_differs_is_seen(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="is to say"):
        Reader(tmp_path).run("echo no", "yes\n")
