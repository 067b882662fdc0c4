-- KEYS: list and ranked set of a queue. Empties them; returns how many jobs were there.
local number = redis.call('LLEN', KEYS[1]) + redis.call('ZCARD', KEYS[2])
redis.call('UNLINK', KEYS[1], KEYS[2])
return number
