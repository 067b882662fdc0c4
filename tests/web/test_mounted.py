"""The dashboard inside of other applications: as the how-to says, each behind a server."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode
from wsgiref.util import setup_testing_defaults

import pytest
from a2wsgi import ASGIMiddleware

from jobkit.adapter import State
from jobkit.dashboard import create_app
from tests.web.conftest import SAME_ORIGIN, Store, ids

ROOT: Final = Path(__file__).parents[2]
HOWTO: Final = ROOT / "docs" / "howto" / "watch-and-operate.md"
MOUNTS: Final = {
    "FastAPI": "asgi",
    "Django under ASGI": "asgi",
    "Django under WSGI": "wsgi",
    "Flask": "wsgi",
}
SETTINGS: Final = """
SECRET_KEY = "not one"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "project.urls"
MIDDLEWARE = ["django.middleware.csrf.CsrfViewMiddleware"]
"""
URLS: Final = """
from django.http import HttpResponse
from django.urls import path
urlpatterns = [path("", lambda request: HttpResponse("the shop"))]
"""
ROUTE: Final = {
    "FastAPI": '\n@app.get("/")\ndef shop() -> str:\n    return "the shop"\n',
    "Flask": '\n@app.get("/")\ndef shop():\n    return "the shop"\n',
}
PASSWORD: Final = "a long password"
ADA: Final = {
    "Authorization": f"Basic {base64.b64encode(f'ada:{PASSWORD}'.encode()).decode()}",
}


@dataclass(frozen=True)
class Answer:
    status: int
    location: str | None
    text: str


@dataclass(frozen=True)
class Site:
    """The application behind its server, as a browser sees it."""

    port: int

    def get(self, path: str, headers: dict[str, str]) -> Answer:
        return self._ask("GET", path, headers, None)

    def post(self, path: str, form: dict[str, str], headers: dict[str, str]) -> Answer:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._ask("POST", path, {**headers, **kind}, urlencode(form))

    def _ask(self, method: str, path: str, headers: dict[str, str], body: str | None) -> Answer:
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
            return Answer(answer.status, answer.getheader("Location"), text)


@pytest.fixture(params=MOUNTS)
def site(request: pytest.FixtureRequest, full: Store, url: str, tmp_path: Path) -> Iterator[Site]:
    """The application that the how-to shows, with a page of its own."""
    del full
    name: str = request.param
    project = tmp_path / "project"
    project.mkdir()
    (project / "settings.py").write_text(SETTINGS)
    (project / "urls.py").write_text(URLS)
    file = tmp_path / "mounted.py"
    file.write_text(block(name) + ROUTE.get(name, ""))
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.web.served", str(file), MOUNTS[name]],
        cwd=ROOT,
        env={
            **os.environ,
            "JOBKIT_URL": url,
            "DASHBOARD_PASSWORD": PASSWORD,
            "PYTHONPATH": str(tmp_path),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    try:
        yield Site(int(server.stdout.readline()))
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def block(name: str) -> str:
    """The block of code under that title."""
    text = HOWTO.read_text("utf-8")
    found = re.search(rf"^\*\*{name}\*\*.*?^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found is not None, name
    return found[1]


@pytest.mark.behaviour("L5")
def test_it_is_read_and_operated_below_its_prefix(site: Site, store: Store) -> None:
    (dead,) = ids(store, State.DEAD)
    assert "the shop" in site.get("/", {}).text
    assert site.get("/jobs/dead", {}).status == 401
    page = site.get("/jobs/dead", ADA)
    assert page.status == 200
    assert f'href="/jobs/jobs/{dead}"' in page.text
    assert site.get("/jobs/static/style.css", ADA).status == 200
    assert site.get("/jobs", ADA).status in (200, 307)
    assert json.loads(site.get("/jobs/stats.json", ADA).text)["dead"] == 1

    form = {"id": dead, "state": "dead"}
    for others in ({"Sec-Fetch-Site": "cross-site"}, {}):
        assert site.post("/jobs/jobs/run", form, {**ADA, **others}).status == 403
    assert ids(store, State.DEAD) == [dead]
    answer = site.post("/jobs/jobs/run", form, {**ADA, **SAME_ORIGIN})
    assert (answer.status, answer.location) == (303, "/jobs/dead")
    assert dead in ids(store, State.ENQUEUED)


def test_a_wsgi_application_serves_it_below_a_prefix(full: Store) -> None:
    """As Flask's and Django's dispatchers do: the prefix is in SCRIPT_NAME."""
    del full
    application: Any = ASGIMiddleware(create_app(auth=None))  # type: ignore[arg-type]
    status, body = called(application, "/jobs", "/dead")
    assert status == "200 OK"
    assert b'href="/jobs/queues"' in body
    assert b"app.Dead" in body


def called(application: Any, prefix: str, path: str) -> tuple[str, bytes]:
    environ: dict[str, Any] = {"SCRIPT_NAME": prefix, "PATH_INFO": path, "REQUEST_METHOD": "GET"}
    setup_testing_defaults(environ)
    started: list[str] = []

    def start_response(status: str, *_: object) -> Callable[[bytes], object]:
        started.append(status)
        return lambda chunk: None

    answer: Iterable[bytes] = application(environ, start_response)
    body = b"".join(answer)
    return started[0], body
