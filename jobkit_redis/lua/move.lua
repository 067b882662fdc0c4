-- include: moment publish push unlock limits batch
-- KEYS: queues, sequence; then what is named by position.
-- ARGV: now, channel, names to wake, and the moves: how and where it lies (L list, or Z set), its
-- text there, and where it goes:
--   D                                  deleted
--   Q list queue priority payload      enqueued
--   Z set score payload                scheduled, to be retried, or dead
-- Before all that may stand B, a batch, the job, and what the move is to it: failed, removed, revived.
-- Before a move may stand what it does to a job's lock, with locks, name and job: F it is freed, T it
-- has to be free and is taken.
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

-- One that waited for a limit, or was told to try again, does so no longer.
local kit
local function withdraw(kind, key, text)
  if kind ~= 'Z' or not is_limited(text) then return end
  local ours = string.sub(KEYS[2], 1, -9)
  local queue = string.sub(key, #ours + #'priority:' + 1)
  if key == ours .. 'blocked' then
    queue = nil
  elseif key ~= ours .. 'priority:' .. queue then
    return
  end
  kit = kit or limiting(ours, ARGV[2], now)
  kit.withdraw(string.sub(text, 17), string.sub(text, 1, 16), queue)
end

local widths = {D = 1, Q = 5, Z = 4}
local batches = keep_batches(KEYS[1], KEYS[2], now, ARGV[2])
local at, moved = 4 + tonumber(ARGV[3]), 0
while at <= #ARGV do
  local batch, member, how
  if ARGV[at] == 'B' then
    batch, member, how = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
    at = at + 4
  end
  local change, locks, name, job = ARGV[at], nil, nil, nil
  if change == 'F' or change == 'T' then
    locks, name, job = KEYS[tonumber(ARGV[at + 1])], ARGV[at + 2], ARGV[at + 3]
    at = at + 4
  end
  local kind, key, text = ARGV[at], KEYS[tonumber(ARGV[at + 1])], ARGV[at + 2]
  local may = change ~= 'T' or redis.call('HGET', locks, name) == false
  local there, score = false, nil
  if may then there, score = remove(kind, key, text) end
  if there then
    local reply = put(at + 3)
    if failed(reply) then
      restore(kind, key, text, score)
    else
      moved = moved + 1
      withdraw(kind, key, text)
      if change == 'F' then unlock(locks, name, job) end
      if change == 'T' then redis.call('HSET', locks, name, job) end
      if batch and how == 'revived' then
        batches.revived(batch, member)
      elseif batch then
        batches.ended(batch, member, how)
      end
    end
  end
  at = at + 3 + widths[ARGV[at + 3]]
end
if kit then kit.call() end
publish(ARGV[2], 3)
return moved
