"""What should be known of a server before jobs are trusted to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from jobkit_redis.server import Pool

__all__ = ["advice", "problems", "server_info"]

_OLDEST: Final = (6, 2)
_NO_LOG: Final = (
    "the server keeps no log (appendonly no): a restart loses what came since the last snapshot,"
    " if there is any"
)


def server_info(pool: Pool) -> dict[str, str]:
    """What the server says of itself."""
    (reply,) = pool.ask(("INFO",))
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else str(reply)
    lines = (line.partition(":") for line in text.splitlines() if ":" in line)
    return {name: value.strip() for name, _, value in lines}


def problems(info: Mapping[str, Any], namespace: str) -> list[str]:
    """What will go wrong, a line each."""
    found: list[str] = []
    version = str(info.get("redis_version", "0"))
    if _numbers(version) < _OLDEST:
        found.append(f"the server is Redis {version}: 6.2 or newer is needed")
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        found.append(
            f"the server evicts keys when its memory is full ({policy}), jobs among them:"
            " set maxmemory-policy to noeviction"
        )
    if info.get("cluster_enabled") == "1" and not namespace:
        found.append("a cluster needs a namespace, which keeps all keys on one of its nodes")
    return found


def advice(info: Mapping[str, Any]) -> list[str]:
    """What the operator may want otherwise, a line each."""
    if info.get("aof_enabled") == "0":
        return [_NO_LOG]
    return []


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
