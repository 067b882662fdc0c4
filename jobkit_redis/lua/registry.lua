-- KEYS: workers, queues, paused. ARGV: prefix and suffixes of a worker's keys: the info's prefix,
-- the claimed's prefix, the claimed's suffix.
-- Returns the known queues, the paused ones, and of each worker its name, how many jobs it holds
-- and its presence. Whose the keys are is known here only; they are in the slot of all the others.
local workers = {}
for _, worker in ipairs(redis.call('HKEYS', KEYS[1])) do
  workers[#workers + 1] = {
    worker,
    redis.call('HLEN', ARGV[2] .. worker .. ARGV[3]),
    redis.call('HMGET', ARGV[1] .. worker, 'info', 'beat', 'quiet', 'rss'),
  }
end
return {redis.call('SMEMBERS', KEYS[2]), redis.call('SMEMBERS', KEYS[3]), workers}
