-- include: moment push unlock limits batch
-- KEYS: list and ranked set of a queue, locks, limits, queues, sequence. ARGV: now, channel, queue.
-- Empties it; returns how many jobs were there.
local number = redis.call('LLEN', KEYS[1]) + redis.call('ZCARD', KEYS[2])
local now = moment(ARGV[1])
local batches = keep_batches(KEYS[5], KEYS[6], now, ARGV[2])
local kit
if redis.call('EXISTS', KEYS[4]) == 1 then kit = limiting(string.sub(KEYS[4], 1, -7), ARGV[2], now) end
local gone = {}
local function removed(payload)
  unlock_by(KEYS[3], payload)
  if string.find(payload, '"bid"', 1, true) then gone[#gone + 1] = payload end
end
if kit or redis.call('EXISTS', KEYS[3], batches.all()) > 0 then
  for at = 0, number, 1000 do
    for _, payload in ipairs(redis.call('LRANGE', KEYS[1], at, at + 999)) do removed(payload) end
    for _, member in ipairs(redis.call('ZRANGE', KEYS[2], at, at + 999)) do
      local payload = string.sub(member, 17)
      removed(payload)
      if kit and is_limited(payload) then
        kit.withdraw(payload, string.sub(member, 1, 16), ARGV[3])
      end
    end
  end
end
redis.call('UNLINK', KEYS[1], KEYS[2])
if kit then kit.call() end
-- Afterwards: what batches have enqueued may go into this queue, and stays.
for _, payload in ipairs(gone) do batches.removed(payload) end
return number
