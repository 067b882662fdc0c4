"""URLs of Redis stores."""

from __future__ import annotations

import pytest

from jobkit import backends
from jobkit.errors import ConfigurationError
from jobkit_redis import RedisAdapter
from jobkit_redis.keys import Keys
from jobkit_redis.url import Location


@pytest.mark.parametrize(
    ("url", "nodes", "db"),
    [
        ("redis://", (("localhost", 6379),), 0),
        ("redis://host/3", (("host", 6379),), 3),
        ("rediss://:secret@host:7000", (("host", 7000),), 0),
        ("unix:///run/redis.sock?db=2", (), 2),
        ("redis+cluster://a:1,b:2", (("a", 1), ("b", 2)), 0),
        ("redis+sentinel://a,b:2/jobs/4", (("a", 26379), ("b", 2)), 4),
        ("redis://[::1]:7000/1", (("::1", 7000),), 1),
    ],
)
def test_servers_and_database_are_read(url: str, nodes: object, db: int) -> None:
    location = Location.of(url)
    assert (location.nodes, location.db) == (nodes, db)


def test_time_outs_are_set_unless_they_are_given() -> None:
    usual = Location.of("redis://host").options
    assert (usual["socket_timeout"], usual["socket_connect_timeout"]) == (5, 3)
    given = Location.of("redis://host?socket_timeout=1.5&protocol=2").options
    assert (given["socket_timeout"], given["protocol"]) == (1.5, 2)


def test_nothing_is_retried_by_the_driver() -> None:
    options = Location.of("redis://host?retry_on_timeout=yes").options
    assert "retry_on_timeout" not in options
    assert options["retry"].get_retries() == 0


def test_a_sentinel_has_a_login_of_its_own() -> None:
    url = "redis+sentinel://user:secret@a/jobs?sentinel_password=other"
    location = Location.of(url)
    assert location.service == "jobs"
    assert (location.options["username"], location.options["password"]) == ("user", "secret")
    assert location.sentinel_options is not None
    assert location.sentinel_options["password"] == "other"
    assert "username" not in location.sentinel_options


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://host",
        "redis+cluster://host?namespace=",
        "redis://host?namespace=a:b",
        "redis://host?nonsense=1",
        "redis://host?socket_timeout=soon",
        "redis://host:port",
        "redis+other://host",
    ],
)
def test_what_cannot_be_used_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigurationError):
        RedisAdapter(url)


def test_no_error_shows_the_password() -> None:
    with pytest.raises(ConfigurationError) as error:
        RedisAdapter("redis://user:secret@host:port/0")
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("url", ["redis://h", "rediss://h", "unix:///s", "redis+cluster://h"])
def test_the_schemes_lead_to_the_adapter(url: str) -> None:
    scheme = url.partition(":")[0].partition("+")[0]
    assert backends._adapter_class(f"{scheme}://h") is RedisAdapter


def test_keys_stand_under_the_namespace_in_braces() -> None:
    keys = Keys.of("app", 0)
    assert keys.listed("mail") == b"{app}:queue:mail"
    assert (keys.workers, keys.claimed("w")) == ("{app}:workers", "{app}:w:claimed")


def test_without_a_namespace_sidekiqs_keys_are_bare_and_ours_are_not() -> None:
    keys = Keys.of("", 0)
    assert keys.listed("mail") == b"queue:mail"
    assert keys.ranked("mail") == b"jobkit:priority:mail"
    assert keys.workers == "jobkit:workers"
