-- KEYS: workers, offers. ARGV: worker, its offer.
-- Has the offer stand; returns 0 when the worker is not registered: whoever takes an offer does not
-- ask for that again, as `leave` removes both.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
return 1
