-- No tick of the entry before the moment comes any more. Never sets its latest tick back.
local function since(lasts, name, now)
  local last = redis.call('HGET', lasts, name)
  if not last or tonumber(last) < tonumber(now) then redis.call('HSET', lasts, name, now) end
end
