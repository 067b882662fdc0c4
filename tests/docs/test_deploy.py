"""The files that deploy workers: their own commands start, tell, answer and stop."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.valkey import free_port

ROOT = Path(__file__).parents[2] / "docs"
FILES = ROOT / "examples" / "deploy"
JOBKIT = str(Path(sys.executable).with_name("jobkit"))


class Manager:
    """Starts a command as a service manager does, and hears what it tells."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(folder / "notify"))
        self._socket.settimeout(50)
        self.told: list[str] = []
        self.process: subprocess.Popen[str] | None = None

    def start(self, words: list[str], port: int) -> None:
        words = [re.sub(r"^(127\.0\.0\.1|0\.0\.0\.0):7433$", rf"\1:{port}", word) for word in words]
        self.process = subprocess.Popen(
            [JOBKIT, *words[1:]],
            cwd=self._folder,
            env={**os.environ, "NOTIFY_SOCKET": str(self._folder / "notify")},
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def hear(self, line: str) -> None:
        while line not in self.told:
            self.told += self._socket.recv(4096).decode().splitlines()

    def close(self) -> None:
        self._socket.close()
        if self.process is not None:
            self.process.kill()
            self.process.communicate()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "jobs.py").write_text("import jobkit\n")
    made = Manager(tmp_path)
    yield made
    made.close()


@pytest.fixture
def port() -> int:
    return free_port()


def unit() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign] # as configparser documents
    parser.read(FILES / "jobkit.service", "utf-8")
    return parser["Service"]


def instruction(name: str) -> list[str]:
    """The words of a Dockerfile's instruction."""
    line = re.search(rf"^{name} .*?(\[.*\])$", (FILES / "Dockerfile").read_text(), re.MULTILINE)
    assert line
    words: list[str] = json.loads(line[1])
    return words


def test_the_units_command_says_it_is_ready_and_stops_in_order(manager: Manager, port: int) -> None:
    manager.start(shlex.split(unit()["ExecStart"]), port)
    manager.hear("READY=1")
    assert manager.process is not None
    manager.process.terminate()
    manager.hear("STOPPING=1")
    assert manager.process.wait(50) == 0
    assert unit()["Type"] == "notify"


def test_the_containers_command_answers_its_health_check(manager: Manager, port: int) -> None:
    manager.start(instruction("CMD"), port)
    manager.hear("READY=1")
    check = [word.replace("7433", str(port)) for word in instruction("HEALTHCHECK")]
    assert subprocess.run([sys.executable, *check[1:]], check=False).returncode == 0
    assert manager.process is not None
    manager.process.terminate()
    assert manager.process.wait(50) == 0
    failed = subprocess.run([sys.executable, *check[1:]], check=False, capture_output=True)
    assert failed.returncode == 1


def test_every_file_gives_more_time_to_stop_than_jobs_have() -> None:
    needed = 25 + 3 + 5
    assert int(unit()["TimeoutStopSec"]) > needed
    compose, pods = (FILES / "compose.yaml").read_text(), (FILES / "kubernetes.yaml").read_text()
    for pattern, text in (
        (r"stop_grace_period: (\d+)s", compose),
        (r"terminationGracePeriodSeconds: (\d+)", pods),
    ):
        found = re.search(pattern, text)
        assert found
        assert int(found[1]) > needed


def test_the_page_shows_the_unit_as_it_is() -> None:
    page = (ROOT / "howto" / "deploy.md").read_text("utf-8")
    [shown] = re.findall(r"^```ini\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    lines = (FILES / "jobkit.service").read_text().splitlines()
    assert [line for line in shown.splitlines() if line not in lines] == []


def test_all_files_start_the_worker_with_the_same_modules() -> None:
    commands = [shlex.split(unit()["ExecStart"])[1:4], instruction("CMD")[1:4]]
    assert commands == [["worker", "-A", "app.jobs"]] * 2
    assert '["jobkit", "worker", "-A", "app.jobs"' in (FILES / "kubernetes.yaml").read_text()
