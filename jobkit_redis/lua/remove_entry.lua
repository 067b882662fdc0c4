-- KEYS: entries, owners, last, runs, paused. ARGV: name. Returns whether there was one.
for i = 2, 4 do redis.call('HDEL', KEYS[i], ARGV[1]) end
redis.call('SREM', KEYS[5], ARGV[1])
return redis.call('HDEL', KEYS[1], ARGV[1])
