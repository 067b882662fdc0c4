-- KEYS: workers, leases, signals and claimed of the worker. ARGV: worker, field, mark, order.
-- Returns whether the job that is held there was marked; not if it had been before, or is none.
local text = redis.call('HGET', KEYS[4], ARGV[2])
if not text or string.sub(text, 1, 2) ~= '{"' or string.sub(text, 1, #ARGV[3]) == ARGV[3] then
  return 0
end
redis.call('HSET', KEYS[4], ARGV[2], ARGV[3] .. string.sub(text, 2))
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then
  redis.call('LPUSH', KEYS[3], ARGV[4])
  local lease = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or 0)
  redis.call('EXPIRE', KEYS[3], math.max(60, math.ceil(lease)))
end
return 1
