-- include: kind moment publish push
-- KEYS: queues, schedule, sequence; then what the items name by position.
-- ARGV: now, channel, names to wake, and the items:
--   L list queue number payloads...        without priority or time
--   P list queue priority payload          the ranked set stands behind the list
--   S list queue priority payload score    to be enqueued at the score, or now if that has come
--   U key seconds                          the next item only if nobody had the key
-- All or none: whatever may fail does so before the first write, as there is no rollback.
local now = tonumber(moment(ARGV[1]))

local first = 4 + tonumber(ARGV[3])
for i, kind in ipairs({'set', 'zset', 'string'}) do
  local wrong = check(KEYS[i], kind)
  if wrong then return wrong end
end
local at = first
while at <= #ARGV do
  local op, list = ARGV[at], tonumber(ARGV[at + 1])
  if op == 'U' then
    at = at + 3
  else
    local wrong = check(KEYS[list], 'list') or check(KEYS[list + 1], 'zset')
    if wrong then return wrong end
    at = at + (op == 'L' and 4 + tonumber(ARGV[at + 3]) or op == 'P' and 5 or 6)
  end
end

local skip = false
at = first
while at <= #ARGV do
  local op, list, queue = ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2]
  if op == 'U' then
    skip = not redis.call('SET', KEYS[list], '1', 'NX', 'EX', queue)
    at = at + 3
  elseif op == 'L' then
    local last = at + 3 + tonumber(ARGV[at + 3])
    if not skip then
      redis.call('SADD', KEYS[1], queue)
      for i = at + 4, last, 1000 do
        redis.call('LPUSH', KEYS[list], unpack(ARGV, i, math.min(i + 999, last)))
      end
    end
    skip, at = false, last + 1
  else
    local priority, payload, score = ARGV[at + 3], ARGV[at + 4], op == 'S' and ARGV[at + 5]
    if skip then
      skip = false
    elseif score and tonumber(score) > now then
      redis.call('ZADD', KEYS[2], score, payload)
    else
      redis.call('SADD', KEYS[1], queue)
      push(KEYS[list], KEYS[list + 1], KEYS[3], priority, false, payload)
    end
    at = at + (op == 'P' and 5 or 6)
  end
end
publish(ARGV[2], 3)
return 1
