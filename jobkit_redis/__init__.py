"""The Redis adapter, for Redis 6.2 and newer and Valkey; Sidekiq's payloads and keys."""

from jobkit_redis.adapter import RedisAdapter

__all__ = ["RedisAdapter"]
