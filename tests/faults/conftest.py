from tests.faults.redis_store import adapter, line, proxied, server

__all__ = ["adapter", "line", "proxied", "server"]
