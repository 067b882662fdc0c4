-- include: publish push
-- KEYS: schedule, retry, dead, queues, sequence; then lists and ranked sets by position.
-- ARGV: now, channel, names to wake, and the jobs, six each: set, old text, new text, list,
-- queue, priority; list 0 buries what is no job.
-- The removal of the old text decides who promotes: all may try at once, and one that ends in
-- between has changed nothing. Returns how many it was.
local first = 4 + tonumber(ARGV[3])
local promoted = 0
for at = first, #ARGV, 6 do
  local list = tonumber(ARGV[at + 3])
  local set = KEYS[tonumber(ARGV[at])]
  local score = redis.call('ZSCORE', set, ARGV[at + 1])
  if score then
    redis.call('ZREM', set, ARGV[at + 1])
    local reply
    if list == 0 then
      reply = redis.pcall('ZADD', KEYS[3], ARGV[1], ARGV[at + 2])
    else
      redis.pcall('SADD', KEYS[4], ARGV[at + 4])
      reply = push(KEYS[list], KEYS[list + 1], KEYS[5], ARGV[at + 5], false, ARGV[at + 2])
    end
    if failed(reply) then
      redis.call('ZADD', set, score, ARGV[at + 1])
    else
      promoted = promoted + 1
    end
  end
end
publish(ARGV[2], 3)
return promoted
