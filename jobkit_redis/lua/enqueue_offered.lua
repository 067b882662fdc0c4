-- include: moment field
-- KEYS: the queue's list and ranked set, paused, workers, offers.
-- ARGV: queue, payload, channel, now.
-- Enqueues one job without priority, time or key. A worker that offers to take it has it lent in
-- this step, and is told so, if a claim would lend it: it would be the first, and nothing is asked
-- of it. Otherwise whoever waits is woken. Returns 1 if it was lent.
local queue, payload = ARGV[1], ARGV[2]
-- A sample, so that the cost does not grow with the number of workers.
local SOME = 8
local OFFER = '^([^\n]*)\n([^\n]*)\n([^\n]*)(\n.*)$'

local function is_next()
  return redis.call('EXISTS', KEYS[1], KEYS[2]) == 0
    and redis.call('SISMEMBER', KEYS[3], queue) == 0
    and not string.find(payload, '"limits"', 1, true)
    and not string.find(payload, '"unique"', 1, true)
    and not string.find(queue, '\n', 1, true)
end

-- Lent, unless nobody hears of it.
local function lent(worker, now, ear, token)
  local claimed = string.sub(KEYS[4], 1, -8) .. worker .. ':claimed'
  local field = field_of(now, token, 1, '0', '', queue)
  redis.call('HSET', claimed, field, payload)
  local heard = redis.pcall('PUBLISH', ear, token .. ':' .. #field .. ':' .. field .. payload)
  if type(heard) == 'number' and heard > 0 then
    redis.call('HDEL', KEYS[5], worker)
    return true
  end
  redis.call('HDEL', claimed, field)
  return false
end

local function is_lent()
  local offers = redis.call('HRANDFIELD', KEYS[5], SOME, 'WITHVALUES')
  if #offers == 0 or not is_next() then return false end
  local now = moment(ARGV[4])
  for i = 1, #offers, 2 do
    local ear, token, ends, queues = string.match(offers[i + 1], OFFER)
    if ear and tonumber(now) < tonumber(ends)
      and string.find(queues, '\n' .. queue .. '\n', 1, true)
      and lent(offers[i], now, ear, token) then
      return true
    end
  end
  return false
end

-- Whatever keeps a job from being lent, it is to be stored.
local fine, done = pcall(is_lent)
if fine and done then return 1 end
local stored = redis.pcall('LPUSH', KEYS[1], payload)
if type(stored) ~= 'number' then return stored end
redis.pcall('PUBLISH', ARGV[3], queue)
return 0
