-- KEYS: schedule, retry. ARGV: now, limit. Of each set what is due: scores and members in turn.
local found = {}
for i = 1, 2 do
  found[i] = redis.call(
    'ZRANGE', KEYS[i], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[2], 'WITHSCORES')
end
return found
