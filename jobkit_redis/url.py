"""The URL of a store: where its servers are, how they are spoken to, what jobkit wants of them.

    redis://[user:password@]host[:port][/db]        rediss:// with TLS
    unix:///path/to/socket[?db=0]
    redis+sentinel://[user:password@]host[:port][,host…]/service[/db]
    redis+cluster://[user:password@]host[:port][,host…]

Options of redis-py's connections may follow as the query; jobkit's own are `namespace`,
`wait_replicas` and, for Sentinel, `sentinel_username` and `sentinel_password`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from redis.backoff import NoBackoff
from redis.connection import Connection as TcpConnection
from redis.connection import UnixDomainSocketConnection, parse_url
from redis.exceptions import RedisError
from redis.retry import Retry

from jobkit.errors import ConfigurationError
from jobkit_redis.wire import Connection

__all__ = ["Address", "Location"]

Address: TypeAlias = tuple[str, int]

SOCKET_TIMEOUT: Final = 5.0
"""Seconds that a command may take, unless the URL says otherwise (`socket_timeout`)."""

CONNECT_TIMEOUT: Final = 3.0
"""Seconds that a connection may take (`socket_connect_timeout`)."""

_NAMESPACE: Final = re.compile(r"[A-Za-z0-9_.-]*")
_PORT: Final = 6379
_SENTINEL_PORT: Final = 26379
#: redis-py's own retries and pools are not used: an LPUSH that is repeated blindly is two jobs.
_NOT_OURS: Final = ("connection_class", "max_connections", "retry_on_error", "retry_on_timeout")


@dataclass(frozen=True, slots=True)
class Location:
    """A store's place. `options` are those of redis-py's connection class `kind`.

    `nodes` are asked in turn for the primary: Sentinels if there is a `service`, otherwise servers
    that may be it themselves. None for a socket of the file system, which names one server.
    """

    kind: Callable[..., Any]
    options: Mapping[str, Any]
    namespace: str
    nodes: tuple[Address, ...] = ()
    service: str | None = None
    sentinel_options: Mapping[str, Any] | None = None
    wait_replicas: int = 0

    @property
    def db(self) -> int:
        return int(self.options.get("db", 0))

    @property
    def timeout(self) -> float:
        """Seconds that a command may take."""
        return float(self.options.get("socket_timeout") or SOCKET_TIMEOUT)

    @classmethod
    def of(cls, url: str) -> Location:
        """Raises ConfigurationError, without showing the URL, for one that cannot be used."""
        try:
            return _location(url)
        except (ValueError, TypeError, RedisError) as error:
            # Without its cause, which may show the URL and the password in it.
            problem = f"the URL of the Redis store cannot be used: {error}"
        raise ConfigurationError(problem)

    def connection(self, address: Address | None = None) -> Connection:
        """A connection, not yet connected, to the address or, without one, to the socket."""
        where = {} if address is None else {"host": address[0], "port": address[1]}
        made: Connection = self.kind(**where, **self.options)
        return made


def _location(url: str) -> Location:
    scheme, _, rest = url.partition("://")
    plain, _, role = scheme.lower().partition("+")
    if plain not in ("redis", "rediss", "unix") or role not in ("", "sentinel", "cluster"):
        raise ValueError("write it as in redis://localhost:6379/0")
    parts = urlsplit(f"{plain}://{rest}")
    ours, theirs = _query(parts.query)
    userinfo, at, hosts = parts.netloc.rpartition("@")
    service, path = _service(parts.path) if role == "sentinel" else (None, parts.path)
    first = hosts.partition(",")[0]
    options = _parsed(f"{plain}://{userinfo}{at}{first}{path}?{urlencode(theirs)}")
    kind = options.get("connection_class", TcpConnection)
    options = {**_defaults(kind), **{k: v for k, v in options.items() if k not in _NOT_OURS}}
    for name in ("host", "port"):
        options.pop(name, None)
    found = Location(
        kind=kind,
        options=options,
        namespace=_namespace(ours.get("namespace", "jobkit"), role),
        nodes=() if plain == "unix" else _nodes(hosts, _SENTINEL_PORT if service else _PORT),
        service=service,
        sentinel_options=_sentinel_options(options, ours) if service else None,
        wait_replicas=int(ours.get("wait_replicas", 0)),
    )
    found.connection(found.nodes[0] if found.nodes else None)  # refuses unknown options
    return found


def _parsed(url: str) -> dict[str, Any]:
    parse: Callable[[str], dict[str, Any]] = parse_url
    return parse(url)


def _query(query: str) -> tuple[dict[str, str], dict[str, str]]:
    given = dict(parse_qsl(query, keep_blank_values=True))
    names = ("namespace", "wait_replicas", "sentinel_username", "sentinel_password")
    return {name: given.pop(name) for name in names if name in given}, given


def _defaults(kind: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "socket_timeout": SOCKET_TIMEOUT,
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "protocol": 3,
        "retry": Retry(NoBackoff(), 0),
    }
    if kind is UnixDomainSocketConnection:
        return usual
    return {**usual, "socket_keepalive": True}


def _service(path: str) -> tuple[str, str]:
    name, _, db = path.strip("/").partition("/")
    if not name:
        raise ValueError("name the service: redis+sentinel://host:26379/service")
    return unquote(name), f"/{db}"


def _nodes(hosts: str, port: int) -> tuple[Address, ...]:
    nodes: list[Address] = []
    for each in hosts.split(","):
        parts = urlsplit(f"//{each}")
        nodes.append((parts.hostname or "localhost", parts.port or port))
    return tuple(nodes)


def _namespace(name: str, role: str) -> str:
    if _NAMESPACE.fullmatch(name) is None:
        raise ValueError("a namespace is made of letters, digits and _.-")
    if not name and role == "cluster":
        raise ValueError("a cluster needs a namespace, which keeps all keys on one of its nodes")
    return name


def _sentinel_options(options: Mapping[str, Any], ours: Mapping[str, str]) -> dict[str, Any]:
    kept = {k: v for k, v in options.items() if k not in ("db", "username", "password")}
    for name in ("username", "password"):
        if (given := ours.get(f"sentinel_{name}")) is not None:
            kept[name] = given
    return kept
