-- include: moment day publish push claims unlock limits batch
-- KEYS: queues, sequence, completed, stat:processed, stat:failed; then what is named by position.
-- ARGV: now, seconds to keep a day's counts, channel, names to wake, and the settlements, each
-- with its hash, field, tally (p, f or n) and kind:
--   A                                       done
--   K                                       done, and kept among the completed
--   C payload                               checkpoint
--   R list queue                            released: back to the head as it is
--   Q list queue priority head payload      enqueued anew
--   W set score payload                     scheduled, or to be retried
--   Z set payload                           dead
-- Returns the positions of the stale, and positions and errors of the refused.
-- Before one of a job under limits stands L, and 1 if it never started; before one that ends a unique
-- job U, locks, the lock's name and the job; before one that ends a member of a batch B, the batch,
-- the job and how it ended; before one with a result V, its key, text, seconds and milliseconds;
-- in this order.
-- Many that are done are one: D, hash, tally, kind (A or K), their number, and their fields.
-- The removal of the field is the fence: where there was none, nothing happens.
local now = moment(ARGV[1])
local stale, refused, counts = {}, {}, {p = 0, f = 0, n = 0}
local known, kit = {}, nil

local function enqueue(list, queue, priority, age, payload)
  if not known[queue] then
    redis.pcall('SADD', KEYS[1], queue)
    known[queue] = true
  end
  return push(KEYS[list], KEYS[list + 1], KEYS[2], priority, age, payload)
end

-- A job that was cancelled while it ran keeps its mark (`jobkit.cancelling`).
local MARK = '{"cancelled":true,'
local function cancelled(text)
  return string.sub(text, 1, #MARK) == MARK
end

local function kept(text, new)
  if cancelled(text) and string.sub(new, 1, 2) == '{"' and not cancelled(new) then
    return MARK .. string.sub(new, 2)
  end
  return new
end

local kinds = {
  A = {4, function() end},
  K = {4, function(at, field, text) return redis.pcall('ZADD', KEYS[3], now, text) end},
  R = {6, function(at, field, text)
    local priority, age = place_of(field)
    return enqueue(tonumber(ARGV[at]), ARGV[at + 1], priority, age, text)
  end},
  Q = {9, function(at, field, text)
    local _, age = place_of(field)
    local head = ARGV[at + 3] == '1' or cancelled(text)
    return enqueue(
      tonumber(ARGV[at]), ARGV[at + 1], ARGV[at + 2], head and age, kept(text, ARGV[at + 4]))
  end},
  W = {7, function(at, field, text)
    -- Cancelled, it waits for nothing: the next upkeep has it enqueued.
    local score = (ARGV[at + 1] == '' or cancelled(text)) and now or ARGV[at + 1]
    return redis.pcall('ZADD', KEYS[tonumber(ARGV[at])], score, kept(text, ARGV[at + 2]))
  end},
  Z = {6, function(at) return redis.pcall('ZADD', KEYS[tonumber(ARGV[at])], now, ARGV[at + 1]) end},
}

local function free(hash, field, text, unstarted)
  kit = kit or limiting(string.sub(KEYS[2], 1, -9), ARGV[3], now)
  kit.free(hash, field, text, unstarted)
end

local batches
local function end_member(batch, member, how)
  batches = batches or keep_batches(KEYS[1], KEYS[2], now, ARGV[3])
  batches.ended(batch, member, how)
end

-- What was claimed, or nil if the claim is not settled; its arguments stand at `at`.
local function applied(hash, field, tally, kind, at, number, limited)
  local text = kind == 'A' and not limited or redis.call('HGET', hash, field)
  if not text or redis.call('HDEL', hash, field) == 0 then
    stale[#stale + 1] = number
    return nil
  end
  -- Removed first: a server that is out of memory lets a script go on that has written already.
  local reply = kinds[kind][2](at, field, text)
  if failed(reply) then
    redis.call('HSET', hash, field, text)
    refused[#refused + 1] = number
    refused[#refused + 1] = reply.err
    return nil
  end
  counts[tally] = counts[tally] + 1
  return text
end

local function keep(at)
  local ends = string.format('%.6f', tonumber(now) + tonumber(ARGV[at + 3]))
  redis.call('SET', KEYS[tonumber(ARGV[at + 1])], ends .. ' ' .. ARGV[at + 2], 'PX', ARGV[at + 4])
end

local function settle_done(at, number)
  local hash, tally, kind = KEYS[tonumber(ARGV[at + 1])], ARGV[at + 2], ARGV[at + 3]
  local fields = tonumber(ARGV[at + 4])
  for i = 1, fields do applied(hash, ARGV[at + 4 + i], tally, kind, 0, number + i - 1) end
  return at + 5 + fields, number + fields
end

local function settle(at, number)
  if ARGV[at] == 'D' then return settle_done(at, number) end
  local limited, locks, name, job
  if ARGV[at] == 'L' then limited, at = ARGV[at + 1], at + 2 end
  if ARGV[at] == 'U' then
    locks, name, job = KEYS[tonumber(ARGV[at + 1])], ARGV[at + 2], ARGV[at + 3]
    at = at + 4
  end
  local batch, member, how
  if ARGV[at] == 'B' then
    batch, member, how = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
    at = at + 4
  end
  local result
  if ARGV[at] == 'V' then result, at = at, at + 5 end
  local hash, field, tally, kind = KEYS[tonumber(ARGV[at])], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  if kind == 'C' then
    local before = redis.call('HGET', hash, field)
    if before then
      redis.call('HSET', hash, field, kept(before, ARGV[at + 4]))
    else
      stale[#stale + 1] = number
    end
    return at + 5, number + 1
  end
  local text = applied(hash, field, tally, kind, at + 4, number, limited)
  if text and locks then unlock(locks, name, job) end
  if text and limited then free(hash, field, text, limited == '1') end
  if text and result then keep(result) end
  if text and batch then end_member(batch, member, how) end
  return at + kinds[kind][1], number + 1
end

local function count(key, number)
  if number == 0 then return end
  redis.call('INCRBY', key, number)
  -- Named here, as only the server may know the day; it is in the slot of all the others.
  local today = key .. ':' .. day_of(now)
  if redis.call('INCRBY', today, number) == number then redis.call('EXPIRE', today, ARGV[2]) end
end

local at, number = 5 + tonumber(ARGV[4]), 0
while at <= #ARGV do at, number = settle(at, number) end
count(KEYS[4], counts.p + counts.f)
count(KEYS[5], counts.f)
if kit then kit.call() end
publish(ARGV[3], 4)
return {stale, refused}
