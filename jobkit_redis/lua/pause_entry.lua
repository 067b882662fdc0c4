-- include: moment since
-- KEYS: entries, owners, last, runs, paused. ARGV: now, name, 1 to pause or 0 to resume.
-- Returns whether there is one.
local name = ARGV[2]
if redis.call('HEXISTS', KEYS[1], name) == 0 then return 0 end
since(KEYS[3], name, moment(ARGV[1]))
redis.call(ARGV[3] == '1' and 'SADD' or 'SREM', KEYS[5], name)
return 1
