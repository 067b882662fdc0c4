-- KEYS: workers, leases, signals. ARGV: worker, signal. Returns 0 when there is no such worker.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('LPUSH', KEYS[3], ARGV[2])
-- As long as Sidekiq keeps it, or until the next beat of a worker with a long lease.
local lease = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or 0)
redis.call('EXPIRE', KEYS[3], math.max(60, math.ceil(lease)))
return 1
