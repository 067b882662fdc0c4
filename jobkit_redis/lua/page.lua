-- include: before
-- KEYS: a sorted set. ARGV: up or down, limit, score and boundary where it begins ('' the end).
-- Returns members and scores in turn.
local key, limit = KEYS[1], tonumber(ARGV[2])
if ARGV[1] == 'up' then
  local from = ARGV[3] == '' and 0 or before(key, ARGV[3], ARGV[4])
  return redis.call('ZRANGE', key, from, from + limit - 1, 'WITHSCORES')
end
local to = ARGV[3] == '' and redis.call('ZCARD', key) or before(key, ARGV[3], ARGV[4])
local found = redis.call('ZRANGE', key, math.max(0, to - limit), to - 1, 'WITHSCORES')
if to == 0 then found = {} end
local turned = {}
for i = #found - 1, 1, -2 do
  turned[#turned + 1] = found[i]
  turned[#turned + 1] = found[i + 1]
end
return turned
