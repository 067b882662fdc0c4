-- KEYS: batches, sequence. ARGV: the batch to begin behind, empty for the first; how many.
-- Returns the last one that was looked at, empty at the end, and the batches whose block was left
-- and which have not finished, each with the number of its pending members.
local ours = string.sub(KEYS[2], 1, -1 - #'sequence')
local start = ARGV[1] == '' and '-' or '(' .. ARGV[1]
local ids = redis.call('ZRANGE', KEYS[1], start, '+', 'BYLEX', 'LIMIT', 0, ARGV[2])
local told = {#ids == tonumber(ARGV[2]) and ids[#ids] or ''}
for _, id in ipairs(ids) do
  local closed, finished_at = unpack(redis.call('HMGET', ours .. 'batch:' .. id, 'closed', 'finished_at'))
  if closed and not finished_at then
    told[#told + 1] = id
    told[#told + 1] = redis.call('SCARD', ours .. 'pending:' .. id)
  end
end
return told
