"""URLs: their scheme, and how they are shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobkit.settings import safe_url, url_scheme


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///jobkit.db", "sqlite:///jobkit.db"),
        ("memory://", "memory://"),
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("redis://:pw@localhost:6379/0", "redis://:***@localhost:6379/0"),
        ("redis://user@localhost", "redis://user@localhost"),
        ("postgresql+psycopg://u:pw@h/db", "postgresql+psycopg://u:***@h/db"),
        ("postgresql://u:p@w/d@h/db", "postgresql://u:***@h/db"),
        (
            "postgresql://u:@/db?host=/run&password=pw",
            "postgresql://u:***@/db?host=/run&password=***",
        ),
        ("unix:///run/x.sock?db=1&PassWord=pw#x", "unix:///run/x.sock?db=1&PassWord=***#x"),
        ("x://h/?sslpassword=a&auth_token=b&c=d", "x://h/?sslpassword=***&auth_token=***&c=d"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert safe_url(url) == shown


@given(user=st.text(alphabet="abc"), password=st.text(min_size=1), host=st.text(alphabet="hij./0"))
def test_no_password_is_ever_shown(user: str, password: str, host: str) -> None:
    assert safe_url(f"redis://{user}:{password}@{host}") == f"redis://{user}:***@{host}"


@pytest.mark.parametrize(
    ("url", "scheme"),
    [
        ("sqlite:///a b.db", "sqlite"),
        ("postgresql+psycopg://h/db", "postgresql"),
        ("REDIS://h", "redis"),
        ("memory://", "memory"),
    ],
)
def test_the_scheme_is_what_stands_before_driver_and_host(url: str, scheme: str) -> None:
    assert url_scheme(url) == scheme


@pytest.mark.parametrize("url", ["", "localhost", "localhost:6379", "://x", "a b://c", "sqlite:/x"])
def test_a_url_without_scheme_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"^it has no scheme such as sqlite://$"):
        url_scheme(url)
