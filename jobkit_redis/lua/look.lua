-- include: limits
-- KEYS: limits:look, limits:due. ARGV: now, channel, how many places at most.
-- Lets those try whose limits have room by now. Returns how many places were looked at.
local kit = limiting(string.sub(KEYS[1], 1, -12), ARGV[2], ARGV[1])
local number = 0
for i = 1, 2 do
  local places = redis.call('ZRANGE', KEYS[i], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[3])
  for _, place in ipairs(places) do
    kit.touch(place)
    number = number + 1
  end
end
kit.call()
return number
