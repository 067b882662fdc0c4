-- Removes a worker's presence. KEYS: workers, leases, processes, info, work, workers, signals.
local function leave(worker)
  redis.call('HDEL', KEYS[1], worker)
  redis.call('HDEL', KEYS[2], worker)
  redis.call('SREM', KEYS[3], worker)
  redis.call('HDEL', string.sub(KEYS[1], 1, -8) .. 'offers', worker)
  for i = 4, 7 do redis.call('DEL', KEYS[i]) end
end
