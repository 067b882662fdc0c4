-- include: moment push batch
-- KEYS: queues, sequence, batches:over, batches:open.
-- ARGV: now, channel, limit, seconds after which an open one is given up.
local now = moment(ARGV[1])
local batches = keep_batches(KEYS[1], KEYS[2], now, ARGV[2])
local limit = tonumber(ARGV[3])
for _, id in ipairs(redis.call('ZRANGE', KEYS[3], '-inf', now, 'BYSCORE', 'LIMIT', 0, limit)) do
  batches.drop(id)
end
local since = string.format('%.6f', tonumber(now) - tonumber(ARGV[4]))
for _, id in ipairs(redis.call('ZRANGE', KEYS[4], '-inf', since, 'BYSCORE', 'LIMIT', 0, limit)) do
  batches.cancel(id, true)
end
return 1
