"""The dashboard in a real browser: live, by mouse, by keyboard, on a phone, without scripts."""

from __future__ import annotations

import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from jobkit.adapter import Ack, Presence, State
from jobkit.dashboard import create_app
from jobkit.measures import Measure
from tests.soak import SOAK
from tests.web.conftest import WORKER, Store, buried, ids, payload, put, put_batch

PAGES = [
    "/",
    "/busy",
    "/queues",
    "/queues/mailers",
    "/scheduled",
    "/retries",
    "/dead",
    "/recurring",
    "/limits",
    "/metrics",
    "/batches",
]
SHOWN = {
    "/": "mailers",
    "/busy": "app.Running",
    "/queues": "paused",
    "/queues/mailers": "app.Mail",
    "/scheduled": "app.Later",
    "/retries": "ConnectionError",
    "/dead": "app.Dead",
    "/recurring": "nightly",
    "/limits": "account:7",
    "/metrics": "app.Slow",
    "/batches": "an empty batch",
}
SECONDS = 30_000
expect.set_options(timeout=SECONDS)

CHROMIUM = os.environ.get("JOBKIT_TEST_CHROMIUM") or shutil.which("chromium")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="there is no Chromium: install Debian's chromium, or name one in JOBKIT_TEST_CHROMIUM",
)

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def address(full: Store) -> Iterator[str]:
    """A server of the dashboard on a free port."""
    del full
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        create_app(auth=None), log_level="error", lifespan="off", timeout_graceful_shutdown=0
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(20)
    listener.close()


@pytest.fixture
def show(chromium: Browser, address: str) -> Iterator[Open]:
    """Opens a page in a browser of its own; whatever its console complains of fails the test."""
    complaints: list[str] = []
    contexts: list[Any] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    def show(place: str, **options: Any) -> Page:
        context = chromium.new_context(base_url=address, **options)
        contexts.append(context)
        context.set_default_timeout(SECONDS)
        page = context.new_page()
        page.on("console", heard)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(place)
        return page

    yield show
    for context in contexts:
        context.close()
    assert complaints == []


def by_hand(page: Page) -> Page:
    """The page with a clock that stands until it is told to go on."""
    page.clock.install()
    page.reload()
    page.clock.pause_at(time.time() + 3_600)
    return page


LINE = "#graph path.line:not(.bad)"
PEAK = r",4\.0\b"
"""The top of the graph: where the highest rate of all is drawn."""


def tick_until(page: Page, seen: Callable[[], object]) -> None:
    """Let the page's clock go on until that is seen.

    One tick need not be enough: the page asks nothing while it waits for an earlier answer.
    """
    for _ in range(50):
        page.clock.run_for(3_000)
        with suppress(AssertionError):
            seen()
            return
    seen()


def tick_until_drawn(page: Page, what: str) -> None:
    """Until the line of the live graph shows it."""
    line = expect(page.locator(LINE))
    tick_until(page, lambda: line.to_have_attribute("d", re.compile(what), timeout=500))


@pytest.mark.every_store
def test_numbers_change_without_reloading(show: Open, store: Store) -> None:
    page = by_hand(show("/"))
    enqueued = page.locator("#totals div", has_text="Enqueued").locator("dd")
    expect(enqueued).to_have_text("1")
    for _ in range(41):
        put(store, "app.Mail", "mailers")
    tick_until(page, lambda: expect(enqueued).to_have_text("42", timeout=500))
    expect(page.locator("#rate")).to_have_text("0")


def test_the_live_graph_is_remembered_while_other_pages_are_looked_at(
    show: Open, store: Store
) -> None:
    page = by_hand(show("/"))
    tick_until_drawn(page, r",118\.0\b")
    for _ in range(60):
        put(store, "app.Mail", "fast")
    store.settle([Ack(claim) for claim in store.claim(["fast"], limit=60, worker=WORKER)])
    tick_until_drawn(page, PEAK)
    page.goto("/queues")
    page.clock.run_for(30_000)
    page.goto("/")
    expect(page.locator(LINE)).to_have_attribute("d", re.compile(PEAK))


def test_live_updates_can_be_held(show: Open, store: Store) -> None:
    page = by_hand(show("/queues"))
    page.get_by_label("live").uncheck()
    put(store, "app.Mail", "new")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(60_000)
    assert asked == []
    page.get_by_label("live").check()
    shown = expect(page.get_by_text("new", exact=True))
    tick_until(page, lambda: shown.to_be_visible(timeout=500))


def test_a_selection_survives_the_next_update_and_is_acted_on(show: Open, store: Store) -> None:
    jobs = [put(store, "app.Later", "low", scheduled_at=4e9) for _ in range(3)]
    page = by_hand(show("/scheduled"))
    page.locator(f'input[value="{jobs[1]}"]').check()
    answers: list[str] = []
    page.on("response", lambda answer: answers.append(answer.url))

    def updated() -> None:
        page.wait_for_timeout(100)
        assert [url for url in answers if url.endswith("/scheduled")]

    tick_until(page, updated)
    expect(page.locator(f'input[value="{jobs[1]}"]')).to_be_checked()
    page.get_by_role("button", name="Run now").click()
    expect(page.locator(f'input[value="{jobs[1]}"]')).to_have_count(0)
    assert jobs[1] in ids(store, State.ENQUEUED)
    assert {jobs[0], jobs[2]} <= set(ids(store, State.SCHEDULED))


@pytest.mark.behaviour("L2")
def test_one_box_selects_the_page(show: Open, store: Store) -> None:
    for _ in range(5):
        put(store, "app.Later", "low", scheduled_at=4e9)
    page = show("/scheduled")
    page.get_by_label("Select all on this page").check()
    page.locator('form.jobs button[formaction$="/jobs/bury"]').click()
    expect(page.get_by_text("There is nothing here")).to_be_visible()
    assert ids(store, State.SCHEDULED) == []


def test_what_cannot_be_undone_is_asked_for(show: Open, store: Store) -> None:
    page = show("/dead")
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Delete all").click()
    assert len(ids(store, State.DEAD)) == 1
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete all").click()
    expect(page.get_by_text("There is nothing here")).to_be_visible()
    assert ids(store, State.DEAD) == []


@pytest.mark.every_store
@pytest.mark.timeout(180)
@pytest.mark.behaviour("L2")
def test_ten_thousand_dead_are_retried_with_progress(show: Open, store: Store, kind: str) -> None:
    many = 10_000 if SOAK or kind == "sqlite" else 2_000
    for start in range(0, many, 500):
        store.enqueue([payload("app.Many", "first", args=[start + nth]) for nth in range(500)])
        claims = store.claim(["first"], limit=500, worker="host-1:4711:abcdef")
        store.settle([buried(claim) for claim in claims])
    page = show("/dead")
    expect(page.get_by_text(f"{many + 1:,} jobs")).to_be_visible()
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Retry all").click()
    expect(page.get_by_text(f"{many + 1:,} changed")).to_be_visible(timeout=60_000)
    assert store.stats().dead == 0


@pytest.mark.behaviour("L2")
def test_a_job_is_rescheduled_in_the_readers_own_time(show: Open, store: Store) -> None:
    (job,) = ids(store, State.DEAD)
    page = show(f"/jobs/{job}", timezone_id="Asia/Tokyo")
    page.get_by_label("Run at").fill("2033-05-18T12:33")
    page.get_by_role("button", name="Reschedule").click()
    expect(page.get_by_text("scheduled", exact=True)).to_be_visible()
    (found,) = store.find([job])
    assert found.at == 1_999_999_980.0
    expect(page.locator("#zone")).to_have_text("Asia/Tokyo")


def test_everything_can_be_reached_by_keyboard(show: Open, store: Store) -> None:
    page = show("/queues")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the content"
    page.keyboard.press("Enter")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Pause":
            break
    page.keyboard.press("Enter")
    expect(page.get_by_text("paused").nth(1)).to_be_visible()
    assert sum(queue.paused for queue in store.queues()) == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_a_phone_and_can_be_read(show: Open, scheme: Any) -> None:
    page = show("/", viewport={"width": 390, "height": 800}, color_scheme=scheme)
    for place in PAGES:
        page.goto(place)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, place
        assert page.evaluate(LEAST_CONTRAST) >= 4.5, place
        assert page.evaluate(UNNAMED) == [], place


def test_names_without_end_do_not_widen_a_page(show: Open, store: Store) -> None:
    job, queue = f"app.{'Long' * 40}", "q" * 200
    presence = Presence("h" * 90, 1, (queue, "b" * 90), 10, 1.7e9)
    store.beat("long", lease=3_000, claims=(), register=True, presence=presence)
    for _ in range(2):
        put(store, job, queue, tags=["t" * 90], limits=[{"key": "k" * 200, "to": 1}])
    store.claim([queue], limit=2, worker="long")
    put(store, job, queue, args=["y" * 300])
    put(store, job, queue, scheduled_at=4e9)
    put_batch(store, "d" * 200, queue)
    page = show("/")
    for place in (*PAGES, f"/queues/{queue}"):
        page.goto(place)
        for width in (1_200, 390):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate(WIDEST) <= width, place


def test_every_page_is_whole_without_scripts(show: Open) -> None:
    page = show("/", java_script_enabled=False)
    for place in PAGES:
        page.goto(place)
        expect(page.locator("h1")).to_be_visible()


@pytest.mark.every_store
def test_every_page_shows_what_the_store_holds(show: Open, store: Store) -> None:
    store.record([Measure("app.Slow", 20, 3, 150.0)])
    (dead,) = ids(store, State.DEAD)
    page = show("/")
    for place, text in SHOWN.items():
        page.goto(place)
        expect(page.locator("main").get_by_text(text).first).to_be_visible()
    page.goto(f"/jobs/{dead}")
    expect(page.locator("main").get_by_text("ValueError").first).to_be_visible()


@pytest.mark.every_store
@pytest.mark.behaviour("L2")
def test_jobs_queues_workers_and_entries_are_operated(show: Open, store: Store) -> None:
    def press(place: str, name: str) -> None:
        page.goto(place)
        page.get_by_role("button", name=name, exact=True).first.click()
        page.wait_for_load_state()

    (dead,) = ids(store, State.DEAD)
    page = show("/")
    page.on("dialog", lambda dialog: dialog.accept())
    press(f"/jobs/{dead}", "Retry now")
    assert dead in ids(store, State.ENQUEUED)
    press("/queues/mailers", "Pause")
    assert {queue.name: queue.paused for queue in store.queues()}["mailers"]
    press("/recurring", "Run now")
    assert "app.Report" in {each.payload.job_class for each in store.jobs(State.ENQUEUED).items}
    press("/retries", "Delete all")
    assert ids(store, State.RETRY) == []
    press("/busy", "Quiet all")
    assert store.beat(WORKER, lease=3_000, claims=[]).orders == frozenset({"quiet"})


def test_actions_work_without_scripts(show: Open, store: Store) -> None:
    page = show("/dead", java_script_enabled=False)
    page.locator('input[name="id"]').first.check()
    page.get_by_role("button", name="Retry now").click()
    expect(page.get_by_text("There is nothing here")).to_be_visible()
    assert ids(store, State.DEAD) == []


LEAST_CONTRAST = """() => {
  const light = ([r, g, b]) => {
    const one = (c) => c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
    const linear = [r, g, b].map((c) => one(c / 255));
    return .2126 * linear[0] + .7152 * linear[1] + .0722 * linear[2];
  };
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, a = 1] = parse(getComputedStyle(at).backgroundColor);
      if (a === 1) return [r, g, b];
    }
    return [255, 255, 255];
  };
  let least = 21;
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !element.checkVisibility()) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(ground(element))];
    least = Math.min(least, (Math.max(a, b) + .05) / (Math.min(a, b) + .05));
  }
  return least;
}"""

WIDEST = """() => Math.max(document.documentElement.scrollWidth,
  ...[...document.querySelectorAll("section")].map((e) => e.scrollWidth))"""

UNNAMED = """() => [...document.querySelectorAll("button, a, input:not([type=hidden])")]
  .filter((e) => e.checkVisibility())
  .filter((e) => !(e.textContent.trim() || e.ariaLabel || e.labels?.length))
  .map((e) => e.outerHTML)"""
