-- include: moment field
-- KEYS: the queue's list and ranked set, paused, workers, offers.
-- ARGV: queue, payload, channel, now.
-- Enqueues one job without priority, time or key. A worker that offers to take it has it lent in
-- this step, and is told so, if a claim would lend it: it would be the first, and nothing is asked
-- of it. Otherwise whoever waits is woken. Returns 1 if it was lent.
local queue, payload = ARGV[1], ARGV[2]
-- A sample, so that the cost does not grow with the number of workers.
local SOME = 8
-- Bytes of a job that is told in a message: the server drops whoever is slow to read very much.
local MOST = 65536
local OFFER = '^([^\n]*)\n([^\n]*)\n([^\n]*)(\n.*)$'
local own, ours = string.sub(KEYS[3], 1, -7), string.sub(KEYS[4], 1, -8)

-- Whether nothing waits in the queue, and it is not paused; mostly no queue is.
local function is_free()
  return redis.call('EXISTS', KEYS[1], KEYS[2], KEYS[3]) == 0
    or redis.call('EXISTS', KEYS[1], KEYS[2]) == 0
    and redis.call('SISMEMBER', KEYS[3], queue) == 0
end

local function is_next()
  return #payload <= MOST
    and is_free()
    and not string.find(payload, '"limits"', 1, true)
    and not string.find(payload, '"unique"', 1, true)
    and not string.find(queue, '\n', 1, true)
end

-- Whether a claim would find nothing in the queues that it looks into before this one.
local function is_first(queues)
  local before = {}
  for each in string.gmatch(queues, '[^\n]+') do
    if each == queue then break end
    before[#before + 1] = own .. 'queue:' .. each
    before[#before + 1] = ours .. 'priority:' .. each
  end
  return #before == 0 or redis.call('EXISTS', unpack(before)) == 0
end

-- Whether the worker hears of it. Here, that is: what is published goes to the other nodes of a
-- cluster and to replicas, too, and who hears it there is not counted, nor would be told in vain.
local function hears(worker, ear)
  if redis.call('PUBSUB', 'NUMSUB', ear)[2] > 0 then return true end
  if redis.call('HEXISTS', KEYS[4], worker) == 0 then redis.call('HDEL', KEYS[5], worker) end
  return false
end

local function lent(worker, offer, now, ear, token)
  local claimed = ours .. worker .. ':claimed'
  local field = field_of(now, token, 1, '0', '', queue)
  redis.call('HDEL', KEYS[5], worker)
  local made = redis.pcall('HSET', claimed, field, payload)
  if type(made) == 'number' then
    local heard = redis.pcall('PUBLISH', ear, token .. ':' .. #field .. ':' .. field .. payload)
    if type(heard) == 'number' and heard > 0 then return true end
    redis.call('HDEL', claimed, field)
  end
  redis.call('HSET', KEYS[5], worker, offer)
  return false
end

local function is_lent()
  local offers = redis.call('HRANDFIELD', KEYS[5], SOME, 'WITHVALUES')
  if #offers == 0 or not is_next() then return false end
  local now = moment(ARGV[4])
  for i = 1, #offers, 2 do
    local worker, offer = offers[i], offers[i + 1]
    local ear, token, ends, queues = string.match(offer, OFFER)
    if ear and tonumber(now) < tonumber(ends)
      and string.find(queues, '\n' .. queue .. '\n', 1, true)
      and is_first(queues) and hears(worker, ear) and lent(worker, offer, now, ear, token) then
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
