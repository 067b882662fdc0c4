-- KEYS: paused. ARGV: queue, channel.
redis.call('SREM', KEYS[1], ARGV[1])
redis.pcall('PUBLISH', ARGV[2], ARGV[1])
return 1
