-- include: moment push claims leave limits
-- KEYS: workers, leases, processes, and of the worker: info, work, workers, signals, claimed;
-- queues, sequence.
-- ARGV: worker, prefix of the lists, prefix of the ranked sets, channel, now.
-- Returns how many jobs were given back. The queues are those of the claims, which nobody knows
-- before: their keys are named here, in the slot of all the others.
local fields, texts = claims_in(KEYS[8])
leave(ARGV[1])
local woken, left, kit = {}, 0, nil
for i = #fields, 1, -1 do
  local priority, age, queue = place_of(fields[i])
  redis.pcall('SADD', KEYS[9], queue)
  local reply = push(ARGV[2] .. queue, ARGV[3] .. queue, KEYS[10], priority, age, texts[fields[i]])
  if not failed(reply) then
    redis.call('HDEL', KEYS[8], fields[i])
    left = left + 1
    if is_limited(texts[fields[i]]) then
      kit = kit or limiting(string.sub(KEYS[1], 1, -8), ARGV[4], moment(ARGV[5]))
      kit.free(KEYS[8], fields[i], texts[fields[i]])
    end
    if not woken[queue] then redis.pcall('PUBLISH', ARGV[4], queue) end
    woken[queue] = true
  end
end
if kit then kit.call() end
return left
