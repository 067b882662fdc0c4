-- include: moment
-- KEYS: workers, leases, processes, and of the worker: info, work, workers, signals, claimed.
-- ARGV: worker, register, now, lease, seconds until the presence expires, whose beat it is
--   (own or supervisor), number of fields of the presence (0 for none), these, whether the work
--   changed, and the work.
-- Returns nil when the worker is not registered, else the fields it holds and its orders.
local worker, own = ARGV[1], ARGV[6] == 'own'
if redis.call('HEXISTS', KEYS[1], worker) == 0 and ARGV[2] == '0' then return false end
redis.call('HINCRBY', KEYS[1], worker, 1)
if not own then
  if redis.call('HEXISTS', KEYS[2], worker) == 0 then
    redis.call('HSET', KEYS[2], worker, ARGV[4])
  end
  for i = 4, 6 do redis.call('EXPIRE', KEYS[i], ARGV[5]) end
  return {{}, {}}
end
redis.call('HSET', KEYS[2], worker, ARGV[4])
local told = tonumber(ARGV[7])
if told > 0 then
  redis.call('SADD', KEYS[3], worker)
  redis.call('HSET', KEYS[4], 'beat', moment(ARGV[3]), unpack(ARGV, 8, 7 + told))
end
for i = 4, 6 do redis.call('EXPIRE', KEYS[i], ARGV[5]) end
if ARGV[8 + told] == '1' then
  for i = 5, 6 do
    redis.call('DEL', KEYS[i])
    if #ARGV > 8 + told then
      redis.call('HSET', KEYS[i], unpack(ARGV, 9 + told))
      redis.call('EXPIRE', KEYS[i], ARGV[5])
    end
  end
end
local orders = redis.call('LRANGE', KEYS[7], 0, -1)
if #orders > 0 then redis.call('DEL', KEYS[7]) end
return {redis.call('HKEYS', KEYS[8]), orders}
