-- include: moment field claims unlock limits
-- KEYS: workers, the worker's claimed, paused; then list and ranked set of each queue; locks, offers.
-- ARGV: worker, limit, token, now, channel, 1 if the worker has an offer, and the names of the queues.
-- Returns fields and payloads in turn, or nil when the worker is not registered. What a full limit
-- discards has behind the number in its field an x and which of its limits that is. Numbers that
-- stand alone at the end: 1 says that there may be more, 2 that the offer, which ends here, was
-- taken: its job counts as one of those that are claimed.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return false end
-- What would fail later fails now: a popped job cannot be put back by a script that was ended.
redis.call('HLEN', KEYS[2])
local limit, now = tonumber(ARGV[2]), moment(ARGV[4])
local was_taken = ARGV[6] ~= '' and redis.call('HDEL', KEYS[#KEYS], ARGV[1]) == 0
if was_taken then limit = limit - 1 end
local paused = {}
for _, queue in ipairs(redis.call('SMEMBERS', KEYS[3])) do paused[queue] = true end

local lent, taken = {}, 0
local kit, aside, again = nil, 0, false
-- Set aside by one call at most, about: nobody else is served meanwhile.
local PATIENCE = 500

-- The age that the job is lent under, the limits it has places in, and the mark of one to be
-- discarded; nil when it was set aside.
local function admitted(priority, age, queue, payload)
  local limits = limits_of(payload)
  if #limits == 0 then return age end
  kit = kit or limiting(string.sub(KEYS[1], 1, -8), ARGV[5], now)
  if age ~= '' then kit.tried(limits, queue, age) end
  if not string.find(age, '[^0]') then age = kit.age() end
  local refusing, nth = kit.refusing(limits)
  if not refusing then return age, limits end
  if refusing.discard then return age, nil, 'x' .. nth end
  kit.block(refusing, limits, queue, priority, age, payload)
  aside = aside + 1
  -- What it was called for may be had by others.
  if #limits > 1 then again = kit.call() > 0 or again end
end

local function lend(priority, age, queue, payload)
  local limits, mark
  if is_limited(payload) then
    age, limits, mark = admitted(priority, age, queue, payload)
    if not age then return end
  end
  taken = taken + 1
  unlock_by(KEYS[#KEYS - 1], payload, true)
  local field = field_of(now, ARGV[3], taken, priority, age, queue, mark)
  if limits then kit.take(limits, KEYS[2], field) end
  lent[#lent + 1] = field
  lent[#lent + 1] = payload
end

local function wanted()
  if aside >= PATIENCE then return 0 end
  return kit and math.min(limit - taken, PATIENCE) or limit - taken
end

-- A key of another type belongs to somebody else: the protected calls pass over it.
local function ranked(key, queue, low, high)
  local number = wanted()
  while number > 0 do
    local found = redis.pcall(
      'ZRANGE', key, low, high, 'BYSCORE', 'LIMIT', 0, number, 'WITHSCORES')
    for i = 1, #found, 2 do
      redis.call('ZREM', key, found[i])
      lend(found[i + 1], string.sub(found[i], 1, 16), queue, string.sub(found[i], 17))
    end
    if #found < 2 * number then return end
    number = wanted()
  end
end

local function listed(key, queue)
  local number = wanted()
  while number > 0 do
    local found = redis.pcall('RPOP', key, number) or {}
    for _, payload in ipairs(found) do lend('0', '', queue, payload) end
    if #found < number then return end
    number = wanted()
  end
end

repeat
  again = false
  for i = 7, #ARGV do
    if wanted() <= 0 then break end
    local queue, list, set = ARGV[i], KEYS[2 * i - 10], KEYS[2 * i - 9]
    if not paused[queue] then
      local some = kit ~= nil or redis.call('EXISTS', set) == 1
      -- Those of the list's own priority have been met before: they stand in front of it.
      if some then ranked(set, queue, '-inf', '0') end
      listed(list, queue)
      if some then ranked(set, queue, '(0', '+inf') end
    end
  end
until not again or wanted() <= 0
store(KEYS[2], lent)
if kit then kit.call() end
if aside >= PATIENCE then lent[#lent + 1] = 1 end
if was_taken then lent[#lent + 1] = 2 end
return lent
