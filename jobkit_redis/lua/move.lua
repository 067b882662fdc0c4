-- include: moment publish push
-- KEYS: queues, sequence; then what is named by position.
-- ARGV: now, channel, names to wake, and the moves: how and where it lies (L list, or Z set), its
-- text there, and where it goes:
--   D                                  deleted
--   Q list queue priority payload      enqueued
--   Z set score payload                scheduled, to be retried, or dead
-- The removal decides: what is no longer there is left alone. Returns how many were.
local now = moment(ARGV[1])

local function remove(kind, key, text)
  if kind == 'L' then return redis.call('LREM', key, -1, text) == 1, '' end
  local score = redis.call('ZSCORE', key, text)
  return score and redis.call('ZREM', key, text) == 1, score
end

local function restore(kind, key, text, score)
  if kind == 'L' then redis.call('RPUSH', key, text) else redis.call('ZADD', key, score, text) end
end

local function put(at)
  local to = ARGV[at]
  if to == 'Q' then
    local list = tonumber(ARGV[at + 1])
    redis.pcall('SADD', KEYS[1], ARGV[at + 2])
    return push(KEYS[list], KEYS[list + 1], KEYS[2], ARGV[at + 3], false, ARGV[at + 4])
  elseif to == 'Z' then
    local score = ARGV[at + 2] == '' and now or ARGV[at + 2]
    return redis.pcall('ZADD', KEYS[tonumber(ARGV[at + 1])], score, ARGV[at + 3])
  end
end

local widths = {D = 1, Q = 5, Z = 4}
local at, moved = 4 + tonumber(ARGV[3]), 0
while at <= #ARGV do
  local kind, key, text = ARGV[at], KEYS[tonumber(ARGV[at + 1])], ARGV[at + 2]
  local there, score = remove(kind, key, text)
  if there then
    local reply = put(at + 3)
    if failed(reply) then restore(kind, key, text, score) else moved = moved + 1 end
  end
  at = at + 3 + widths[ARGV[at + 3]]
end
publish(ARGV[2], 3)
return moved
