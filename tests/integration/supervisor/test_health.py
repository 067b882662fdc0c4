"""`--health` and sd_notify on real workers."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from jobkit_redis import RedisAdapter
from tests.integration.worker.site import Site, until
from tests.servers.valkey import Server, running


def probe(site: Site, path: str) -> tuple[int, str]:
    """The answer of the worker that listens, as it says itself; (0, …) while it does not."""
    found = re.findall(r"http://127\.0\.0\.1:(\d+)/ready", site.said())
    if not found:
        return 0, "nobody listens yet"
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{found[-1]}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def start(site: Site, *options: str, **variables: str) -> subprocess.Popen[bytes]:
    return site.start("--health", "127.0.0.1:0", *options, **variables)


def test_it_is_live_at_once_ready_when_it_works_and_not_when_it_is_quiet(site: Site) -> None:
    site.add("while not Path('imported-now').exists(): time.sleep(0.01)")
    worker = start(site, "-p", "2")
    until(lambda: probe(site, "/live") == (200, "live\n"))
    waiting = (503, "worker processes that start, or wait for the store: 2\n")
    until(lambda: probe(site, "/ready") == waiting)
    (site.folder / "imported-now").touch()
    until(lambda: probe(site, "/ready") == (200, "ready\n"))
    worker.send_signal(signal.SIGTSTP)
    until(lambda: probe(site, "/ready") == (503, "quiet: no more jobs are taken\n"))
    assert probe(site, "/live")[0] == 200
    worker.terminate()
    assert worker.wait(45) == 0


def test_while_it_waits_for_running_jobs_it_is_live_and_not_ready(site: Site) -> None:
    worker = start(site)
    site.enqueue("Hold", range(1))
    until(lambda: site.started() == [0])
    worker.terminate()
    until(lambda: probe(site, "/ready") == (503, "stopping\n"))
    assert probe(site, "/live")[0] == 200
    site.go()
    assert worker.wait(45) == 0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path / "server", tcp=True, appendonly=True) as server:
        yield server


def test_while_the_store_is_away_it_is_not_ready_and_says_why(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / "site").mkdir()
    site = Site(tmp_path / "site", server.url(), RedisAdapter)
    try:
        worker = start(site)
        until(lambda: probe(site, "/ready")[0] == 200)
        server.kill()
        until(lambda: probe(site, "/ready")[1].startswith("the store failed: "))
        assert probe(site, "/live")[0] == 200
        server.start()
        until(lambda: probe(site, "/ready")[0] == 200)
        worker.terminate()
        assert worker.wait(45) == 0
    finally:
        site.close()


def test_metrics_are_those_of_the_store_that_it_works(site: Site) -> None:
    worker = start(site, "-q", "default")
    site.enqueue("Count", range(5))
    until(lambda: told(site).get("jobkit_processed_total") == 5)
    assert told(site) | {"jobkit_queue_size": 0, "jobkit_failed_total": 0} == told(site)
    assert (told(site)["jobkit_up"], told(site)["jobkit_workers"]) == (1, 1)
    worker.terminate()
    assert worker.wait(45) == 0


def told(site: Site) -> dict[str, float]:
    """The metrics by name; of those with several labels the last."""
    status, text = probe(site, "/metrics")
    if status != 200:
        return {}
    families = text_string_to_metric_families(text)
    return {sample.name: sample.value for each in families for sample in each.samples}


def test_an_address_that_is_taken_ends_the_worker_with_one_line(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        worker = site.start("--health", f"127.0.0.1:{other.getsockname()[1]}")
        assert worker.wait(45) == 1
    assert re.fullmatch(r"Error: health: cannot listen on 127\.0\.0\.1:\d+: .*\n", site.said())


def test_a_service_manager_is_told_of_the_whole_life_and_fed(site: Site, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        worker = site.start(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="1000000")
        lines: list[str] = []

        def hear(wanted: str, times: int = 1) -> None:
            while lines.count(wanted) < times:
                lines.extend(manager.recv(4096).decode().splitlines())

        hear("READY=1")
        hear("WATCHDOG=1", 4)
        worker.send_signal(signal.SIGSTOP)
        manager.settimeout(0.7)
        with pytest.raises(TimeoutError):
            hear("WATCHDOG=1", 99)
        worker.send_signal(signal.SIGCONT)
        manager.settimeout(20)
        worker.terminate()
        hear("STOPPING=1")
        assert worker.wait(45) == 0
        assert lines[0].startswith("STATUS=worker processes that start")
