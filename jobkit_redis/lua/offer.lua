-- include: moment
-- KEYS: workers, offers.
-- ARGV: worker, whether it was made before, its offer up to when it ends and from there on, now,
--   seconds for which it holds.
-- Has the offer stand. Returns 0 if one that was made before is gone: it was taken; nil if the
-- worker is not registered. Whoever takes one does not ask for that: `leave` removes both.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return false end
if ARGV[2] == '1' and redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then return 0 end
local ends = string.format('%.6f', moment(ARGV[5]) + ARGV[6])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3] .. ends .. ARGV[4])
return 1
