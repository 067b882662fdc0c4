-- KEYS: stat:processed, stat:failed, schedule, retry, dead, blocked; then lists and ranked sets, and
-- the claimed of every worker. ARGV: how many queues there are.
local queues = tonumber(ARGV[1])
local enqueued, running = 0, 0
for i = 7, 6 + 2 * queues, 2 do
  enqueued = enqueued + redis.call('LLEN', KEYS[i]) + redis.call('ZCARD', KEYS[i + 1])
end
for i = 7 + 2 * queues, #KEYS do running = running + redis.call('HLEN', KEYS[i]) end
return {
  tonumber(redis.call('GET', KEYS[1]) or 0), tonumber(redis.call('GET', KEYS[2]) or 0),
  redis.call('ZCARD', KEYS[3]), redis.call('ZCARD', KEYS[4]), redis.call('ZCARD', KEYS[5]),
  enqueued, running, redis.call('ZCARD', KEYS[6]),
}
