-- include: moment
-- KEYS: list and ranked set of each queue. ARGV: now.
-- Returns the moment, and of each queue its size and the head of its list and of each priority.
local told = {moment(ARGV[1])}
for i = 1, #KEYS, 2 do
  local size = redis.call('LLEN', KEYS[i]) + redis.call('ZCARD', KEYS[i + 1])
  local heads = redis.call('LRANGE', KEYS[i], -1, -1)
  local above = '-inf'
  -- One look for each priority, not for each job; a hundred of them are enough for anybody.
  for _ = 1, 100 do
    local head = redis.call(
      'ZRANGE', KEYS[i + 1], above, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
    if not head[1] then break end
    heads[#heads + 1] = string.sub(head[1], 17)
    above = '(' .. head[2]
  end
  told[#told + 1] = size
  told[#told + 1] = heads
end
return told
