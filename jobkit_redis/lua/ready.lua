-- KEYS: paused; then list and ranked set of each queue. ARGV: the queues. 1 if one has a job.
local paused = {}
for _, queue in ipairs(redis.call('SMEMBERS', KEYS[1])) do paused[queue] = true end
for i, queue in ipairs(ARGV) do
  if not paused[queue] and redis.call('EXISTS', KEYS[2 * i], KEYS[2 * i + 1]) > 0 then return 1 end
end
return 0
