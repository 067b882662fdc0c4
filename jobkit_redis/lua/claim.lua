-- include: moment field unlock
-- KEYS: workers, the worker's claimed, paused; then list and ranked set of each queue; locks.
-- ARGV: worker, limit, token, now, and the names of the queues.
-- Returns fields and payloads in turn, or nil when the worker is not registered.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return false end
-- What would fail later fails now: a popped job cannot be put back by a script that was ended.
redis.call('HLEN', KEYS[2])
local limit, now = tonumber(ARGV[2]), moment(ARGV[4])
local paused = {}
for _, queue in ipairs(redis.call('SMEMBERS', KEYS[3])) do paused[queue] = true end

local lent, taken = {}, 0
local function lend(priority, age, queue, payload)
  taken = taken + 1
  unlock_by(KEYS[#KEYS], payload, true)
  lent[#lent + 1] = field_of(now, ARGV[3], taken, priority, age, queue)
  lent[#lent + 1] = payload
end

-- A key of another type belongs to somebody else: the protected calls pass over it.
local function ranked(key, queue, low, high)
  if taken == limit then return end
  local found = redis.pcall(
    'ZRANGE', key, low, high, 'BYSCORE', 'LIMIT', 0, limit - taken, 'WITHSCORES')
  for i = 1, #found, 2 do
    redis.call('ZREM', key, found[i])
    lend(found[i + 1], string.sub(found[i], 1, 16), queue, string.sub(found[i], 17))
  end
end

local function listed(key, queue)
  if taken == limit then return end
  for _, payload in ipairs(redis.pcall('RPOP', key, limit - taken) or {}) do
    lend('0', '', queue, payload)
  end
end

for i = 5, #ARGV do
  if taken == limit then break end
  local queue, list, set = ARGV[i], KEYS[2 * i - 6], KEYS[2 * i - 5]
  if not paused[queue] then
    local some = redis.call('EXISTS', set) == 1
    if some then ranked(set, queue, '-inf', '(0') end
    listed(list, queue)
    if some then ranked(set, queue, '(0', '+inf') end
  end
end
store(KEYS[2], lent)
return lent
