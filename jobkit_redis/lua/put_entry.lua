-- include: moment since
-- KEYS: entries, owners, last, runs, paused. ARGV: now, name, text, owner, 1 to begin anew.
local name = ARGV[2]
if ARGV[5] == '1' or redis.call('HEXISTS', KEYS[1], name) == 0 then
  since(KEYS[3], name, moment(ARGV[1]))
end
redis.call('HSET', KEYS[1], name, ARGV[3])
redis.call('HSET', KEYS[2], name, ARGV[4])
return 1
