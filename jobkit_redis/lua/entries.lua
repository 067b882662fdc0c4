-- include: moment
-- KEYS: entries, owners, last, runs, paused. ARGV: now.
-- Returns the moment, the hashes and the names that are paused, as of one moment.
return {
  moment(ARGV[1]),
  redis.call('HGETALL', KEYS[1]),
  redis.call('HGETALL', KEYS[2]),
  redis.call('HGETALL', KEYS[3]),
  redis.call('HGETALL', KEYS[4]),
  redis.call('SMEMBERS', KEYS[5]),
}
