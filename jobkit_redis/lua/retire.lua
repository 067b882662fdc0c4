-- include: push field leave
-- KEYS: workers, leases, processes, and of the worker: info, work, workers, signals, claimed;
-- queues, sequence.
-- ARGV: worker, prefix of the lists, prefix of the ranked sets, channel.
-- Returns how many jobs were given back. The queues are those of the claims, which nobody knows
-- before: their keys are named here, in the slot of all the others.
local fields, texts = claims_in(KEYS[8])
leave(ARGV[1])
local woken, left = {}, 0
for i = #fields, 1, -1 do
  local priority, age, queue = place_of(fields[i])
  redis.pcall('SADD', KEYS[9], queue)
  local reply = push(ARGV[2] .. queue, ARGV[3] .. queue, KEYS[10], priority, age, texts[fields[i]])
  if not failed(reply) then
    redis.call('HDEL', KEYS[8], fields[i])
    left = left + 1
    if not woken[queue] then redis.pcall('PUBLISH', ARGV[4], queue) end
    woken[queue] = true
  end
end
return left
