import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from starlette.testclient import TestClient

HERE = Path(__file__).parent


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html><title>A page</title></html>")

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def page():
    server = HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    os.environ["SERVICE_URL"] = f"sqlite:///{tmp_path_factory.mktemp('service') / 'service.db'}"
    sys.path.insert(0, str(HERE))
    from service import app

    with TestClient(app) as client:
        yield client


def test_the_title_is_found_by_a_job(client, page):
    number = client.post("/links", params={"url": page}).json()["id"]

    deadline = time.monotonic() + 60
    while client.get(f"/links/{number}").json()["title"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert client.get(f"/links/{number}").json() == {"url": page, "title": "A page"}


def test_what_is_no_link_enqueues_nothing(client):
    import jobkit

    while (before := jobkit.inspect().stats()).running:
        time.sleep(0.05)  # the job of the link before is only just done
    assert client.post("/links", params={"url": "ftp://example.org"}).status_code == 422
    stats = jobkit.inspect().stats()
    assert (stats.processed, stats.enqueued) == (before.processed, 0)
