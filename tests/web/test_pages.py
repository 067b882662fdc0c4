"""Every page of the dashboard, as a browser gets it."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from jobkit.adapter import Ack, Bury, State
from jobkit.dashboard import create_app
from jobkit.errors import AdapterError
from jobkit.jobs.kept import written
from jobkit.measures import FAILED, Measure
from jobkit.outcome import Succeeded
from jobkit.payload import Payload
from jobkit.results import Result
from tests.web.conftest import PRESENCE, WORKER, Client, Store, buried, ids, put, put_batch

PAGES = [
    "/",
    "/busy",
    "/queues",
    "/scheduled",
    "/retries",
    "/dead",
    "/recurring",
    "/limits",
    "/metrics",
    "/batches",
]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.behaviour("L5")
def test_every_page_shows_an_empty_store(client: Client, page: str) -> None:
    answer = client().get(page)
    assert answer.status_code == 200
    assert "<h1>" in answer.text


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize(
    ("page", "texts"),
    [
        ("/", ["<dd>1</dd>", "mailers", "paused"]),
        ("/busy", ["host-1:4711", "app.Running", "default, mailers"]),
        ("/queues", ["mailers", "low", "paused"]),
        ("/queues/mailers", ["app.Mail", "vip", "locale=&#34;de&#34;"]),
        ("/queues/low", ["There is nothing here", "paused"]),
        ("/scheduled", ["app.Later", "1 job<", "in 2"]),
        ("/retries", ["app.Retried", "ConnectionError", "no route"]),
        ("/dead", ["app.Dead", "ValueError", "the dead one"]),
        (
            "/limits",
            ["account:7", "jobs at once", "api", "starts in 1 min", "app.Blocked", "1 job waits"],
        ),
        ("/batches", ["an empty batch", "succeeded", '<progress max="1" value="1"']),
        ("/recurring", ["nightly", "0 3 * * *", "app.Report", "&#34;sales&#34;"]),
    ],
)
def test_every_page_shows_what_is_there(client: Client, page: str, texts: list[str]) -> None:
    answer = client().get(page)
    assert answer.status_code == 200
    for text in texts:
        assert text in answer.text


def test_metrics_show_each_class_and_what_its_runs_took(client: Client, full: Store) -> None:
    full.record([Measure("app.Slow", 20, 3, 150.0), Measure("app.Slow", FAILED, 1)])
    full.record([Measure("app.<b>", 0, 1000, 5.0)])
    page = client().get("/metrics").text
    for text in ("app.Slow", "50.0 s", "(25.0 %)", "(97 %)", "\u2264 1 min 5 s", "app.&lt;b&gt;"):
        assert text in page
    assert "1,003 ended well" in page
    assert "1,003 ended well" in client().get("/").text


@pytest.mark.parametrize(
    ("hours", "shown"), [("3", "3"), ("-5", "1"), ("1e9", "1"), ("100", "8"), ("", "1"), ("x", "1")]
)
@pytest.mark.behaviour("L5")
def test_absurd_hours_are_brought_to_reason(client: Client, hours: str, shown: str) -> None:
    page = client().get("/metrics", params={"hours": hours}).text
    assert re.search(rf'href="/metrics\?hours={shown}" aria-current="page"', page)


def test_a_job_shows_its_life(client: Client, store: Store) -> None:
    history = [
        {"at": 1.7e9, "error_class": "First", "error_message": "<i>"},
        {"at": 1.7e9 + 60, "error_class": "Second", "error_message": "no"},
    ]
    job = put(store, "app.Later", "low", scheduled_at=4e9, history=history, executions=4)
    page = client().get(f"/jobs/{job}").text
    for text in ("created", "2 earlier runs", "run 3 failed", "First: &lt;i&gt;", "run 5 is due"):
        assert text in page


def test_a_job_that_has_ended_is_shown_with_its_result(client: Client, store: Store) -> None:
    store.beat(WORKER, lease=3_000, claims=(), register=True, presence=PRESENCE)
    job = put(store, "app.Sum", "sums")
    [claim] = store.claim(["sums"], limit=1, worker=WORKER)
    came_to = Succeeded({"sum": "<b>"})
    text = written(claim.payload, came_to, at=claim.payload.created_at or 0, took=1.5)
    store.settle([Ack(claim, result=Result(text, 60))])
    page = client().get(f"/jobs/{job}")
    assert page.status_code == 200
    for shown in ("app.Sum", "completed", "&#34;sum&#34;: &#34;&lt;b&gt;&#34;", "Took 1.5 s"):
        assert shown in page.text
    assert "/jobs/discard" not in page.text


def test_a_job_is_shown_whole(client: Client, full: Store) -> None:
    (job,) = ids(full, State.DEAD)
    page = client().get(f"/jobs/{job}").text
    for text in (job, "app.Dead", "ValueError", "wrong", "the dead one", "Runs so far"):
        assert text in page
    loaded = client().get(f"/jobs/{job}/arguments")
    assert loaded.headers["content-disposition"].startswith("attachment")
    assert json.loads(loaded.text) == {"args": ["the dead one's"], "kwargs": {}}


@pytest.mark.behaviour("L3")
def test_what_is_private_is_on_no_page(client: Client, store: Store) -> None:
    secret = "4929 1234"
    jobs = [
        put(store, "app.Hidden", "q", args=[secret], redact=[0], scheduled_at=4e9),
        put(store, "app.Hidden", "q", args=[secret], encrypted="v1", scheduled_at=4e9),
    ]
    put(store, "app.Cut", "cut")
    store.beat(WORKER, lease=3_000, claims=(), register=True)
    (claim,) = store.claim(["cut"], limit=1, worker=WORKER)
    store.settle([Bury(claim, Payload(f'{{"redact": true, "args": ["{secret}"], "class"'))])
    browser = client()
    pages = ["/scheduled", "/dead"]
    for job in jobs:
        pages += [f"/jobs/{job}", f"/jobs/{job}/arguments"]
    for page in pages:
        assert secret not in browser.get(page).text, page
    listed = browser.get("/scheduled").text
    assert "[redacted]" in listed
    assert "[encrypted]" in listed


@pytest.mark.behaviour("L4")
def test_workers_that_died_are_gone_and_the_others_are_summed_up(
    client: Client, store: Store
) -> None:
    for number, threads, mb in ((1, 10, 100), (2, 5, 50), (3, 99, 999)):
        told = replace(PRESENCE, host=f"host-{number}", concurrency=threads, rss=mb << 20)
        store.beat(f"w{number}", lease=3_000, claims=(), register=True, presence=told)
    browser = client()
    assert "0 jobs in hand, 114 threads, 1 GB" in browser.get("/busy").text
    store.recover("w3", to="w1", beat=None)
    page = browser.get("/busy").text
    assert "0 jobs in hand, 15 threads, 150 MB" in page
    assert "host-2" in page
    assert "host-3" not in page


@pytest.mark.behaviour("L4")
def test_an_embedded_worker_is_not_stopped_from_here(client: Client, store: Store) -> None:
    for name, embedded in (("own", False), ("inside", True)):
        told = replace(PRESENCE, embedded=embedded)
        store.beat(name, lease=3_000, claims=(), register=True, presence=told)
    browser = client()
    page = browser.get("/busy").text
    assert 'action="/workers/own/stop"' in page
    assert 'action="/workers/inside/stop"' not in page
    refused = browser.post("/workers/inside/stop")
    assert refused.status_code == 501
    assert "only the program it runs in can stop it" in refused.text
    browser.post("/workers/all/stop")
    assert store.beat("own", lease=3_000, claims=()).orders == frozenset({"stop"})
    assert store.beat("inside", lease=3_000, claims=()).orders == frozenset()


def test_long_arguments_are_cut_on_the_page_and_whole_in_the_file(
    client: Client, store: Store
) -> None:
    job = put(store, "app.Long", "default", args=["x" * 50_000])
    page = client().get(f"/jobs/{job}").text
    assert page.count("x") < 11_000
    assert client().get(f"/jobs/{job}/arguments").text.count("x") == 50_000


def test_a_batch_is_shown_with_its_jobs(client: Client, store: Store) -> None:
    outer = put_batch(store, "outer")
    batch = put_batch(store, "a batch", "one", "two", "three")
    store.beat(WORKER, lease=3_000, claims=None, register=True)
    (dead,) = store.claim(["one"], limit=1, worker=WORKER)
    (done,) = store.claim(["two"], limit=1, worker=WORKER)
    store.settle([buried(dead), Ack(done)])
    page = client().get(f"/batches/{batch}").text
    for text in ("a batch", batch, "app.Member", "ValueError", '<progress max="3" value="2"'):
        assert text in page
    assert "succeeded" in client().get(f"/batches/{outer}").text


def test_batches_are_listed_page_by_page(client: Client, store: Store) -> None:
    for number in range(3):
        put_batch(store, f"number {number}")
    first = client().get("/batches?limit=2").text
    assert "number 2" in first
    assert "number 0" not in first
    (following,) = re.findall(r'href="(/batches\?[^"]*)" rel="next"', first)
    assert "number 0" in client().get(following.replace("&amp;", "&")).text


@pytest.mark.parametrize(
    "page", ["/batches/unknown", "/jobs/unknown", "/queues/unknown", "/nothing", "/jobs/"]
)
def test_what_is_not_there_is_not_found(client: Client, page: str) -> None:
    answer = client().get(page)
    assert answer.status_code == 404
    assert "Not found" in answer.text


@pytest.mark.parametrize("limit", ["-5", "0", "1e9", "many", "100000", ""])
@pytest.mark.behaviour("L5")
def test_absurd_limits_are_brought_to_reason(client: Client, store: Store, limit: str) -> None:
    for _ in range(150):
        put(store, "app.Later", "low", scheduled_at=4_000_000_000.0)
    page = client().get("/scheduled", params={"limit": limit})
    assert page.status_code == 200
    assert 1 <= page.text.count('name="id"') <= 100


@pytest.mark.parametrize("list_", ["/dead", "/busy", "/batches", "/limits", "/queues/mailers"])
@pytest.mark.behaviour("L5")
def test_a_cursor_that_is_none_is_as_none(client: Client, full: Store, list_: str) -> None:
    del full
    page = client().get(list_, params={"after": "garbage"})
    assert page.status_code == 200
    assert "<tbody>" in page.text


@pytest.mark.behaviour("L6")
def test_a_list_is_paged_and_keeps_its_filters(client: Client, store: Store) -> None:
    for _ in range(5):
        put(store, "app.Later", "low", scheduled_at=4_000_000_000.0)
        put(store, "app.Other", "low", scheduled_at=4_000_000_000.0)
        put(store, "app.Later", "high", scheduled_at=4_000_000_000.0)
    browser, seen = client(), list[str]()
    address: str | None = "/scheduled?queue=low&job=app.Later&limit=2"
    while address:
        page = browser.get(address).text
        seen += re.findall(r'name="id" value="(\w+)"', page)
        assert "app.Other" not in page
        found = re.search(r'href="([^"]+)" rel="next"', page)
        address = found[1].replace("&amp;", "&") if found else None
    assert len(set(seen)) == len(seen) == 5


def test_text_narrows_a_list(client: Client, full: Store) -> None:
    del full
    assert "app.Dead" in client().get("/dead?text=the+dead").text
    assert "No job meets the filter" in client().get("/dead?text=nothing+like+it").text


@pytest.mark.behaviour("L6")
def test_the_totals_are_there_for_programs(client: Client, full: Store) -> None:
    del full
    found = client().get("/stats.json").json()
    assert list(found) == [
        "processed", "failed", "enqueued", "scheduled", "retry", "dead", "running", "blocked",
        "workers",
    ]  # fmt: skip
    assert (found["dead"], found["running"], found["workers"]) == (1, 2, 1)


def test_below_a_prefix_every_address_has_it(full: Store) -> None:
    del full
    app = Starlette(routes=[Mount("/admin/jobs", create_app(auth=None))])
    with TestClient(app) as browser:
        for page in PAGES:
            answer = browser.get(f"/admin/jobs{page}")
            assert answer.status_code == 200
            addresses = re.findall(r'(?:href|src|action|formaction)="([^"]+)"', answer.text)
            assert addresses
            for address in addresses:
                assert address.startswith("/admin/jobs/") or address == "#main", address
        assert browser.get("/admin/jobs/static/script.js").status_code == 200


def test_a_store_that_fails_is_told_without_a_traceback(
    client: Client, full: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise AdapterError("the disk <is> gone")

    monkeypatch.setattr(type(full), "jobs", fail)
    answer = client().get("/dead")
    assert answer.status_code == 503
    assert "The store does not answer: the disk &lt;is&gt; gone" in answer.text
    assert "Traceback" not in answer.text


def test_quiet_workers_are_shown_as_such(client: Client, full: Store) -> None:
    assert full.order(WORKER, "quiet")
    assert "Quiet" in client().get("/busy").text


def test_a_job_shows_how_far_it_is(client: Client, store: Store) -> None:
    told = {"done": 3, "total": 10, "note": "<rows>"}
    far = put(store, "app.Import", "q", progress=told, steps={"done": ["load"], "at": "rows"})
    page = client().get(f"/jobs/{far}").text
    assert '<progress value="3" max="10"></progress> 3 of 10' in page
    assert "&lt;rows&gt;" in page
    assert "Steps: load" in page
    assert 'id="progress"' not in client().get(f"/jobs/{put(store, 'app.Mail', 'q')}").text
