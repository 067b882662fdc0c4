-- include: unlock
-- KEYS: list and ranked set of a queue, locks. Empties it; returns how many jobs were there.
local number = redis.call('LLEN', KEYS[1]) + redis.call('ZCARD', KEYS[2])
if redis.call('EXISTS', KEYS[3]) == 1 then
  for at = 0, number, 1000 do
    for _, payload in ipairs(redis.call('LRANGE', KEYS[1], at, at + 999)) do
      unlock_by(KEYS[3], payload)
    end
    for _, member in ipairs(redis.call('ZRANGE', KEYS[2], at, at + 999)) do
      unlock_by(KEYS[3], string.sub(member, 17))
    end
  end
end
redis.call('UNLINK', KEYS[1], KEYS[2])
return number
