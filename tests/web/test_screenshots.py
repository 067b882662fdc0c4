"""Pictures of every page, light and dark, wide and on a phone, of a store as in life.

    JOBKIT_SCREENSHOTS=docs/images .venv/bin/pytest tests/web/test_screenshots.py

keeps them there; else they are only made, which shows that a store as in life can be drawn: some
pages, and at full size (`SOAK`) all, in each look.
"""

from __future__ import annotations

import math
import os
import random
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Page

import jobkit
from jobkit.adapter import Ack, Bury, Claim, Presence, Requeue, Settlement, State, Tally
from jobkit.batching import NewBatch
from jobkit.failure import packed
from jobkit.measures import FAILED, Measure, bucket_of
from jobkit.payload import Payload, new_id
from jobkit.testing import ManualClock
from tests.soak import SOAK
from tests.web.conftest import Store, buried, opened
from tests.web.test_browser import Open, address, chromium, pytestmark, show

__all__ = ["address", "chromium", "pytestmark", "show"]

PAGES: Final = {
    "overview": "/",
    "busy": "/busy",
    "queues": "/queues",
    "queue": "/queues/mailers",
    "scheduled": "/scheduled",
    "retries": "/retries",
    "dead": "/dead",
    "recurring": "/recurring",
    "limits": "/limits",
    "batches": "/batches",
    "batch": "/batches/newsletter",
    "metrics": "/metrics",
    "job": "/jobs/the-broken-one",
}
SOME: Final = {"overview": "/", "batch": "/batches/newsletter"}
LOOKS: Final[dict[str, dict[str, Any]]] = {
    "light": {"viewport": {"width": 1200, "height": 800}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1200, "height": 800}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 800}, "color_scheme": "light"},
}
KEPT: Final = os.environ.get("JOBKIT_SCREENSHOTS")
SCALE: Final = 20 if KEPT else 1
LIVE: Final = 150.0
"""Seconds of work on the live graph of a picture that is kept."""
HOUR: Final = 3_600.0
DAY: Final = 24 * HOUR
CLASSES: Final = (
    ("shop.mail.WelcomeEmail", "mailers", 5, 0.12),
    ("shop.orders.ShipOrder", "default", 8, 0.9),
    ("shop.search.Reindex", "low", 20, 4.2),
    ("shop.images.Thumbnail", "images", 0, 0.03),
    ("shop.billing.ChargeCard", "critical", 3, 0.4),
)
TRACE: Final = (
    'File "/srv/shop/billing/charge.py", line 41, in perform',
    "    answer = gateway.charge(card, amount_cents=order.total_cents)",
    'File "/srv/shop/billing/gateway.py", line 118, in charge',
    '    raise GatewayError("the bank does not answer")',
)


@pytest.fixture
def full(store: Store, url: str) -> Store:
    """A store after a busy day; in place of the small one of the other tests."""
    die = random.Random(5)
    now = time.time()
    clock = ManualClock(now - 30 * DAY)
    with closing(opened(url, clock)) as past:
        live(past, clock, die)
    fill(store, now, die)
    return store


def live(past: Store, clock: ManualClock, die: random.Random) -> None:
    """What workers left behind: days, and minutes."""
    past.beat("past", lease=1e9, claims=(), register=True)
    for day in range(30):
        ran = int((500 + 250 * (day % 7 < 5)) * die.uniform(0.8, 1.2)) * SCALE // 5
        past.enqueue([payload("shop.Job", "past") for _ in range(ran)])
        claims = past.claim(["past"], limit=ran, worker="past")
        past.settle(
            [Ack(each, Tally.FAILED if die.random() < 0.03 else Tally.PROCESSED) for each in claims]
        )
        clock.advance(DAY)
    past.retire("past")
    clock.step(-1.5 * HOUR)
    for minute in range(90):
        busy = 1 + 0.6 * (minute % 30 < 8)
        measured: list[Measure] = []
        for name, _, failures, seconds in CLASSES:
            runs = int(die.uniform(1, 2) * SCALE * busy / (1 + seconds))
            spread = [max(0.004, die.lognormvariate(0, 0.7) * seconds) for _ in range(runs)]
            measured += [Measure(name, bucket_of(each), 1, each) for each in spread]
            if die.random() * 100 < failures * 4:
                measured.append(Measure(name, FAILED, die.randint(1, 3)))
        past.record(measured)
        clock.advance(60)


def fill(store: Store, now: float, die: random.Random) -> None:
    """What waits, runs, failed and died; the workers, and the recurring jobs."""
    queues = ("critical", "default", "mailers", "images", "low")
    for nth in range(3):
        told = Presence(f"app-{nth + 1}", 4000 + 7 * nth, queues, 10, now - DAY - 977 * nth)
        told = (
            told
            if nth
            else Presence(
                told.host, told.pid, queues, 10, told.started_at, quiet=True, rss=148 << 20
            )
        )
        store.beat(f"app-{nth + 1}:{4000 + 7 * nth}:f00d", lease=1e6, claims=(), register=True,
                   presence=told)  # fmt: skip
    worker = "app-2:4007:f00d"
    for name, queue, _, _ in CLASSES:
        store.enqueue([waiting(name, queue, die, now) for _ in range(2)])
    claims = store.claim(queues, limit=7, worker=worker)
    del claims
    store.enqueue([failing("the-broken-one", now)])
    store.enqueue([failing(new_id(), now) for _ in range(23)])
    broken = store.claim(["critical"], limit=30, worker=worker)
    store.settle([ended(claim, nth, now) for nth, claim in enumerate(broken)])
    for nth in range(214):
        name, queue, _, _ = CLASSES[nth % 4]
        store.enqueue([waiting(name, queue, die, now)])
    store.enqueue(
        [waiting("shop.mail.Reminder", "mailers", die, now, nth * 1700 + 120) for nth in range(40)]
    )
    put_limits(store, worker, die, now)
    put_batches(store, worker)
    store.pause("low")
    every = {"nightly-report": "0 3 * * *", "reindex": "*/15 * * * *", "invoices": "0 8 1 * *"}
    for name, cron in every.items():
        jobkit.recurring.add(name, cron, f"shop.{name.title()}", queue="low")
    jobkit.inspect().pause_recurring("invoices")


def put_limits(store: Store, worker: str, die: random.Random, now: float) -> None:
    """Limits with places taken and jobs that wait for one."""
    limits = (
        {"key": "shop.billing.Capture/account:4711", "to": 1},
        {"key": "gateway.example: captures a minute", "to": 60, "per": 60.0},
    )
    for nth in range(14):
        fields = waiting("shop.billing.Capture", "capture", die, now).fields
        store.enqueue([Payload.of({**fields, "limits": [limits[0], limits[1]][nth % 3 > 1 :]})])
    store.claim(["capture"], limit=30, worker=worker)


def put_batches(store: Store, worker: str) -> None:
    """Batches that succeeded, failed, were cancelled, and one that goes on."""
    batches = (
        ("newsletter", "Newsletter of March", 40, 23, 2),
        ("import", "Import of customers-2026-03-14-from-the-northern-warehouse.csv", 120, 71, 0),
        ("invoices", "Invoices", 30, 30, 0),
        ("thumbs", "Thumbnails", 12, 0, 0),
    )
    for name, title, members, done, dead in batches:
        job = f"shop.{name.title()}"
        jobs = [payload(job, name, args=[nth], bid=name) for nth in range(members)]
        store.enqueue_batch(name, jobs, opens=NewBatch(name, title), closes=True)
        claims = store.claim([name], limit=done + dead, worker=worker)
        ends: list[Settlement] = [Ack(each) for each in claims[:done]]
        store.settle([*ends, *(buried(each) for each in claims[done:])])
    store.cancel_batch("thumbs")


def payload(job: str, queue: str, **fields: Any) -> Payload:
    return Payload.of({"class": job, "args": [], "jid": new_id(), "queue": queue, **fields})


def waiting(
    job: str, queue: str, die: random.Random, now: float, due: float | None = None
) -> Payload:
    at = {"enqueued_at": now - die.uniform(1, 40)} if due is None else {"scheduled_at": now + due}
    tags = ["vip"] if die.random() < 0.1 else []
    args = [die.randint(1000, 99_999)]
    locale = die.choice(["de", "en", "fr"])
    return payload(job, queue, args=args, kwargs={"locale": locale}, tags=tags,
                   created_at=now - 50, **at)  # fmt: skip


def failing(job_id: str, now: float) -> Payload:
    card = {"order": 4711, "currency": "EUR", "card": "[redacted]"}
    return Payload.of(
        {
            "class": "shop.billing.ChargeCard",
            "args": [4711],
            "kwargs": card,
            "jid": job_id,
            "queue": "critical",
            "created_at": now - 5 * HOUR,
            "enqueued_at": now - 5 * HOUR,
        }
    )


def ended(claim: Claim, nth: int, now: float) -> Settlement:
    kinds = (
        ("GatewayError", "the bank does not answer"),
        ("ConnectionResetError", "[Errno 104] Connection reset by peer"),
        ("CardDeclined", "insufficient funds (code 51)"),
    )
    kind, message = kinds[nth % 3]
    runs = 5 if nth % 2 == 0 else 2
    history = [
        {"at": now - 5 * HOUR + 60 * 4**k, "error_class": kind, "error_message": message}
        for k in range(min(runs, 5))
    ]
    changed = claim.payload.replace(
        error_class=kind, error_message=message, executions=runs, retry_count=runs - 1,
        failed_at=now - 5 * HOUR, error_backtrace=packed(TRACE), history=history,
    )  # fmt: skip
    if nth % 2 == 0:
        return Bury(claim, changed)
    later = changed.replace(scheduled_at=now + 90 + 400 * nth)
    return Requeue(claim, later, State.RETRY, tally=Tally.FAILED)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("look", LOOKS if KEPT or SOAK else ["dark"])
def test_every_page_can_be_drawn(show: Open, full: Store, tmp_path: Path, look: str) -> None:
    folder = Path(KEPT or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    for name, place in (PAGES if KEPT or SOAK else SOME).items():
        page = show(place, **LOOKS[look])
        page.get_by_role("heading", level=1).wait_for()
        if name == "overview" and KEPT:
            work(page, full)
        file = folder / f"dashboard-{name}-{look}.png"
        if look == "phone":
            whole(page)
        page.screenshot(path=file)
        assert file.stat().st_size > 5_000
        page.close()


def work(page: Page, store: Store) -> None:
    """Have jobs end while the page looks on, more or fewer a second."""
    die = random.Random(7)
    worker = "app-2:4007:f00d"
    until = time.monotonic() + LIVE
    while time.monotonic() < until:
        number = int(25 + 15 * math.sin(time.monotonic() / 11) + die.uniform(-4, 4))
        store.enqueue([payload("shop.Job", "live") for _ in range(number)])
        claims = store.claim(["live"], limit=number, worker=worker)
        store.settle(
            [Ack(each, Tally.FAILED if die.random() < 0.04 else Tally.PROCESSED) for each in claims]
        )
        page.wait_for_timeout(500)


def whole(page: Page) -> None:
    """Make the window as high as the page, whose last bar keeps to the window's end."""
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": 390, "height": height})
