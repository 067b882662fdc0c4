"""Who gets in, what other sites' pages may do, and what hostile data does to a page."""

from __future__ import annotations

import base64
from html.parser import HTMLParser
from itertools import product
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from jobkit import ConfigurationError
from jobkit.adapter import Bury, Presence, State
from jobkit.dashboard import create_app
from jobkit.dashboard.hosts import Hosts
from tests.web.conftest import SAME_ORIGIN, WORKER, Client, Store, ids, put, put_batch

PLACES = ["/", "/dead", "/stats.json", "/static/style.css", "/jobs/x", "/nothing"]
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; DROP TABLE jobkit_jobs; --",
    "{{ 7 * 7 }}",
    "javascript:alert(1)",
    "\u202egnp.exe",
    "\x1b[31mred\r\nSet-Cookie: a=b",
    "</pre></td></table><h1>mine</h1>",
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "credentials", [None, ("ada", "wrong"), ("eve", "secret"), ("", ""), ("ada", "secret ")]
)
def test_nothing_is_shown_without_the_password(
    client: Client, place: str, credentials: tuple[str, str] | None
) -> None:
    answer = client(auth=("ada", "secret")).get(place, auth=credentials)
    assert answer.status_code == 401
    assert "Basic" in answer.headers["www-authenticate"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_the_password_lets_in(client: Client) -> None:
    browser = client(auth=("ädä", "sécret:with colon"))
    token = base64.b64encode("ädä:sécret:with colon".encode()).decode()
    assert browser.get("/", headers={"Authorization": f"basic {token}"}).status_code == 200
    assert browser.get("/", headers={"Authorization": "Basic not base64"}).status_code == 401


def test_a_callable_decides_by_the_scope(client: Client) -> None:
    def asked(scope: Any) -> str | None:
        return "ada" if (b"x-user", b"ada") in scope["headers"] else None

    async def asked_later(scope: Any) -> str | None:
        return asked(scope)

    for auth in (asked, asked_later):
        browser = client(auth=auth)
        assert browser.get("/dead").status_code == 403
        assert browser.get("/dead", headers={"X-User": "ada"}).status_code == 200


@pytest.mark.parametrize("auth", [("ada", ""), ("", "x"), ("ada",), ("a:b", "x"), "ada", True, ()])
def test_what_would_let_anybody_in_by_mistake_is_refused(auth: Any) -> None:
    with pytest.raises(ConfigurationError, match="auth"):
        create_app(auth=auth)


def test_the_dashboard_is_not_open_unless_that_is_said() -> None:
    with pytest.raises(TypeError, match="auth"):
        create_app()  # type: ignore[call-arg]


ACTIONS = [
    "/jobs/run", "/jobs/bury", "/jobs/discard", "/jobs/reschedule", "/queues/mailers/pause",
    "/queues/mailers/resume", "/queues/mailers/clear", "/workers/all/stop", "/workers/all/quiet",
    "/recurring/nightly/run", "/recurring/nightly/pause", "/recurring/nightly/resume",
    "/batches/x/cancel", "/batches/x/retry",
]  # fmt: skip


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": ""},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver"},
        {"Origin": "http://elsewhere"},
        {"Origin": "null"},
        {"Origin": "http://testserver.elsewhere"},
        {},
    ],
)
@pytest.mark.behaviour("L5")
def test_another_sites_page_changes_nothing(full: Store, headers: dict[str, str]) -> None:
    before = full.stats(), full.queues(), full.entries()[1]
    (dead,) = ids(full, State.DEAD)
    with TestClient(create_app(auth=None)) as browser:
        for action in ACTIONS:
            answer = browser.post(action, data={"id": dead}, headers=headers)
            assert answer.status_code == 403, action
            after = full.stats(), full.queues(), full.entries()[1]
            assert _without_latency(after) == _without_latency(before), action


def test_an_older_browser_is_believed_by_its_origin(full: Store) -> None:
    with TestClient(create_app(auth=None), follow_redirects=False) as browser:
        headers = {"Origin": "http://testserver"}
        assert browser.post("/queues/mailers/pause", headers=headers).status_code == 303
    assert any(queue.paused for queue in full.queues() if queue.name == "mailers")


def test_a_read_only_dashboard_refuses_every_action(client: Client, full: Store) -> None:
    (job,) = ids(full, State.DEAD)
    browser = client(read_only=True)
    for action in ACTIONS:
        assert browser.post(action, data={"id": job}).status_code == 403, action
        assert ids(full, State.DEAD) == [job], action


@pytest.mark.parametrize(
    "page", ["/", "/busy", "/queues", "/queues/mailers", "/scheduled", "/retries", "/dead"]
)
def test_a_read_only_dashboard_offers_no_action(client: Client, full: Store, page: str) -> None:
    del full
    text = client(read_only=True).get(page).text
    assert 'formaction="' not in text
    assert 'action="/jobs' not in text
    assert "read-only" in text


def test_a_form_without_end_is_not_read(client: Client) -> None:
    browser = client()
    assert browser.post("/jobs/run", data={"id": "x" * 70_000}).status_code == 413
    assert browser.post("/jobs/run", data={"id": ["x"] * 1_001}).status_code == 400
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert browser.post("/jobs/run", content=b"id=\xff\xfe", headers=headers).status_code == 400


def test_every_answer_is_closed_to_others(client: Client) -> None:
    for place in PLACES:
        headers = client().get(place).headers
        policy = headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
    assert client().get("/dead").headers["cache-control"] == "no-store"


class Seen(HTMLParser):
    """The elements and attributes of a page, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses += [
            value or "" for name, value in attrs if name in ("href", "src", "action", "formaction")
        ]


def looked_at(text: str) -> Seen:
    seen = Seen()
    seen.feed(text)
    return seen


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.behaviour("L3")
def test_hostile_data_is_text_on_every_page(client: Client, store: Store, hostile: str) -> None:
    presence = Presence(hostile, 1, (hostile,), 10, 1_700_000_000.0)
    store.beat(WORKER, lease=3_000, claims=(), register=True, presence=presence)
    fields = {"args": [hostile], "kwargs": {"k": hostile}, "tags": [hostile]}
    job = put(store, hostile, hostile, **fields)
    (claim,) = store.claim([hostile], limit=1, worker=WORKER)
    error = {"error_class": hostile, "error_message": hostile, "error_backtrace": [hostile]}
    store.settle([Bury(claim, claim.payload.replace(**error))])
    put(store, hostile, hostile, **fields)
    put(store, hostile, hostile, scheduled_at=4e9, **fields)
    put(store, hostile, "running", **fields)
    store.claim(["running"], limit=1, worker=WORKER)
    limits = [{"key": hostile, "to": 1}, {"key": hostile, "to": 1, "per": 60.0}]
    for _ in range(2):
        put(store, hostile, hostile, limits=limits, **fields)
    store.claim([hostile], limit=9, worker=WORKER)
    put(store, hostile, hostile, **fields)
    store.put_entry(hostile, "no json " + hostile, "")
    batch = put_batch(store, hostile, hostile)

    browser = client()
    pages = [
        "/",
        "/busy",
        "/queues",
        "/scheduled",
        "/dead",
        "/recurring",
        "/limits",
        "/batches",
        f"/batches/{batch}",
        f"/jobs/{job}",
    ]
    for page in pages:
        answer = browser.get(page)
        assert answer.status_code == 200, page
        seen = looked_at(answer.text)
        assert "img" not in seen.elements, page
        assert answer.text.count("<script") == 1, page
        assert not {name for name in seen.attributes if name.startswith("on")}, page
        assert all(address.startswith(("/", "#")) for address in seen.addresses), page
        assert "<h1>mine" not in answer.text
        assert "\u202e" not in answer.text
        assert "\x1b" not in answer.text
        assert "49" not in _marked(answer.text, hostile)


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.behaviour("L5")
def test_hostile_parameters_are_inert(client: Client, hostile: str) -> None:
    browser = client()
    pages = (
        "/",
        "/busy",
        "/scheduled",
        "/dead",
        "/limits",
        "/batches",
        f"/batches/{quote(hostile)}",
        "/queues/x",
        "/jobs/x",
        f"/jobs/{quote(hostile)}",
    )
    for page, name in product(pages, ("queue", "job", "text", "after", "limit", "unknown")):
        answer = browser.get(page, params={name: hostile})
        assert answer.status_code < 500, (page, name)
        assert answer.text.count("<script") <= 1
        assert "<img" not in answer.text
        assert "set-cookie" not in answer.headers


def test_a_local_dashboard_answers_to_local_names_only() -> None:
    app = Hosts(create_app(auth=None), "127.0.0.1")
    for name in ("localhost", "127.0.0.1", "127.0.0.1:8787", "[::1]:8787"):
        with TestClient(app, headers=SAME_ORIGIN) as browser:
            assert browser.get("/static/style.css", headers={"Host": name}).status_code == 200
    for name in ("attacker.example", "attacker.example:8787", "", "localhost.attacker.example"):
        with TestClient(app, headers=SAME_ORIGIN) as browser:
            assert browser.get("/static/style.css", headers={"Host": name}).status_code == 421


def _without_latency(found: Any) -> Any:
    stats, queues, entries = found
    return stats, [(queue.name, queue.size, queue.paused) for queue in queues], entries


def _marked(text: str, hostile: str) -> str:
    """What a template made of the hostile expression, if it was taken for one."""
    return text if hostile.startswith("{{") and "{{ 7 * 7 }}" not in text else ""
