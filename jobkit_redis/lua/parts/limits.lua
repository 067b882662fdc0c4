-- Limits: who has the places of one, and who waits for it. Nothing here runs for jobs without.
-- A limit's name is its place: `jobs:KEY` for how many run, `rate:KEY` for how many start. Its keys
-- are made here, as nobody knows them before, in the slot of all the others; `ours` is their prefix:
--   limits                      hash: of each place in use how many, and the seconds of a rate
--   limits:look, limits:due     sorted sets: when upkeep looks at a place; when a rate has room again
--   limit:PLACE                 sorted set: who has the places (claimed hash, field), since when
--   limit:queues:PLACE          set: the queues with jobs that were set aside
--   limit:waits:N:PLACE:QUEUE   sorted set: their ages by priority
--   limit:called:N:PLACE:QUEUE  hash: ages and texts of those that were enqueued again to try
--   blocked                     sorted set: by their age, age and text of all that are set aside
-- A place counts only while its claim is there: whatever ends that has freed it. A limited job has
-- an age from its first claim on, and stands among the ranked of its queue with it.

local function is_limited(text) return string.find(text, '"limits"', 1, true) ~= nil end

local function limits_of(text)
  local found, read, job = {}, pcall(cjson.decode, text)
  if not read or type(job) ~= 'table' or type(job.limits) ~= 'table' then return found, '' end
  for _, each in ipairs(job.limits) do
    local sound = type(each) == 'table' and type(each.key) == 'string'
      and type(each.to) == 'number' and each.to >= 1 and each.to < 2 ^ 31
      and each.to == math.floor(each.to)
    local per = sound and each.per ~= cjson.null and each.per or nil
    if sound and (per == nil or type(per) == 'number' and per > 0 and per < math.huge) then
      found[#found + 1] = {
        place = (per and 'rate:' or 'jobs:') .. each.key,
        to = each.to,
        per = per,
        discard = each.discard == true,
      }
    end
  end
  return found, type(job.queue) == 'string' and job.queue or ''
end

-- What a script does with limits; `channel` is where it wakes, `now` the moment as text.
local function limiting(ours, channel, now)
  local kit, used, woken = {}, {}, {}
  local registry, aside = ours .. 'limits', ours .. 'blocked'
  local look, due = ours .. 'limits:look', ours .. 'limits:due'
  local touched, order = {}, {}

  local function taken_key(place) return ours .. 'limit:' .. place end
  local function queues_key(place) return ours .. 'limit:queues:' .. place end
  local function key_of(kind, place, queue)
    return ours .. 'limit:' .. kind .. ':' .. #place .. ':' .. place .. ':' .. queue
  end
  local function written(seconds) return string.format('%.6f', seconds) end

  -- How many places are taken. When they seem to be all, the oldest are looked at: a claim that is
  -- gone and still stands here gets there in time.
  local function count(place, to, per)
    if used[place] then return used[place] end
    local key = taken_key(place)
    if per then redis.call('ZREMRANGEBYSCORE', key, '-inf', written(tonumber(now) - per)) end
    local number = redis.call('ZCARD', key)
    if not per and number >= to then
      for _, member in ipairs(redis.call('ZRANGE', key, 0, 99)) do
        local cut = string.find(member, '\n', 1, true)
        if redis.call('HEXISTS', string.sub(member, 1, cut - 1), string.sub(member, cut + 1)) == 0 then
          redis.call('ZREM', key, member)
          number = number - 1
        end
      end
    end
    used[place] = number
    return number
  end

  local function touch(place)
    if not touched[place] then order[#order + 1] = place end
    touched[place] = true
  end

  function kit.wake(queue)
    if not woken[queue] then redis.pcall('PUBLISH', channel, queue) end
    woken[queue] = true
  end

  function kit.age()
    return string.format('%016x', redis.call('INCR', ours .. 'sequence'))
  end

  -- The first of the limits that has no place, and its number.
  function kit.refusing(limits)
    for nth, limit in ipairs(limits) do
      if count(limit.place, limit.to, limit.per) >= limit.to then return limit, nth end
    end
  end

  function kit.take(limits, hash, field)
    for _, limit in ipairs(limits) do
      local place = limit.place
      if redis.call('ZADD', taken_key(place), now, hash .. '\n' .. field) == 1 then
        used[place] = used[place] + 1
      end
      redis.call('HSET', registry, place, string.format('%d', limit.to) .. ' ' .. (limit.per or ''))
      if limit.per then touch(place) end
    end
  end

  -- Of those that were called to try: this one did.
  function kit.tried(limits, queue, age)
    for _, limit in ipairs(limits) do
      redis.call('HDEL', key_of('called', limit.place, queue), age)
    end
  end

  function kit.block(limit, limits, queue, priority, age, text)
    local place = limit.place
    redis.call('ZADD', aside, string.format('%.0f', tonumber(age, 16)), age .. text)
    redis.call('ZADD', key_of('waits', place, queue), priority, age)
    redis.call('SADD', queues_key(place), queue)
    for _, each in ipairs(limits) do touch(each.place) end
    redis.call('HSET', registry, place, string.format('%d', limit.to) .. ' ' .. (limit.per or ''))
  end

  -- The claim is over: its places are free. Starts have been, but for one that never was.
  function kit.free(hash, field, text, unstarted)
    for _, limit in ipairs((limits_of(text))) do
      if not limit.per or unstarted then
        redis.call('ZREM', taken_key(limit.place), hash .. '\n' .. field)
      end
      touch(limit.place)
    end
  end

  -- The claim goes on as another: its start stays, and can be taken back yet.
  function kit.go_on(hash, field, heir, anew, text)
    for _, limit in ipairs((limits_of(text))) do
      local key, member = taken_key(limit.place), hash .. '\n' .. field
      local at = limit.per and redis.call('ZSCORE', key, member)
      if at then
        redis.call('ZREM', key, member)
        redis.call('ZADD', key, at, heir .. '\n' .. anew)
      end
    end
  end

  -- A job that was set aside, or called, is neither any more.
  function kit.withdraw(text, age, queue)
    local limits, named = limits_of(text)
    for _, limit in ipairs(limits) do
      redis.call('ZREM', key_of('waits', limit.place, queue or named), age)
      redis.call('HDEL', key_of('called', limit.place, queue or named), age)
      touch(limit.place)
    end
  end

  -- How many of the called ones still try, as far as it matters whether there is room for more.
  local function trying(called, ranked, room)
    local number = redis.call('HLEN', called)
    if number < room then return number end
    local flat, sound = redis.call('HGETALL', called), 0
    for i = 1, #flat, 2 do
      if redis.call('ZSCORE', ranked, flat[i] .. flat[i + 1]) then
        sound = sound + 1
        if sound == room then return room end
      else
        redis.call('HDEL', called, flat[i])
      end
    end
    return sound
  end

  -- The next that waits there goes back among the ranked; false when nobody waits.
  local function call_next(waits, called, ranked)
    while true do
      local head = redis.call('ZRANGE', waits, 0, 0, 'WITHSCORES')
      if not head[1] then return false end
      local age, priority = head[1], head[2]
      local score = string.format('%.0f', tonumber(age, 16))
      local member = redis.call('ZRANGE', aside, score, score, 'BYSCORE')[1]
      redis.call('ZREM', waits, age)
      if member and redis.call('ZREM', aside, member) == 1 then
        redis.call('ZADD', ranked, priority, member)
        redis.call('HSET', called, age, string.sub(member, 17))
        return true
      end
    end
  end

  -- Of each queue as many are called as would find a place alone: nobody may be working another.
  -- Returns how many were called, and whether somebody is left.
  local function call_here(place, room)
    local number, left = 0, false
    for _, queue in ipairs(redis.call('SMEMBERS', queues_key(place))) do
      local waits, called = key_of('waits', place, queue), key_of('called', place, queue)
      local ranked = ours .. 'priority:' .. queue
      local free = room > 0 and room - trying(called, ranked, room) or 0
      while free > 0 and call_next(waits, called, ranked) do
        free, number = free - 1, number + 1
        kit.wake(queue)
      end
      if redis.call('EXISTS', waits, called) == 0 then
        redis.call('SREM', queues_key(place), queue)
      else
        left = true
      end
    end
    return number, left
  end

  local function plan(place, per, left)
    local oldest = per and redis.call('ZRANGE', taken_key(place), 0, 0, 'WITHSCORES')[2]
    if left and oldest then
      redis.call('ZADD', due, written(tonumber(oldest) + per), place)
    else
      redis.call('ZREM', due, place)
    end
    if left or oldest then
      redis.call('ZADD', look, written(left and tonumber(now) + 5 or tonumber(oldest) + per), place)
    else
      redis.call('ZREM', look, place)
      if used[place] == 0 then redis.call('HDEL', registry, place) end
    end
  end

  -- How many places the limit has, as last seen, and the seconds of a rate; nil if nobody uses it.
  local function measure(place)
    local known = redis.call('HGET', registry, place)
    if not known then return end
    local to, per = string.match(known, '^(%d+) (.*)$')
    return tonumber(to), tonumber(per)
  end

  -- How many places are taken, and how many jobs wait.
  function kit.told(place)
    local to, per = measure(place)
    local waiting = 0
    if not to then return 0, 0 end
    for _, queue in ipairs(redis.call('SMEMBERS', queues_key(place))) do
      waiting = waiting + redis.call('ZCARD', key_of('waits', place, queue))
        + redis.call('HLEN', key_of('called', place, queue))
    end
    return count(place, to, per), waiting
  end

  -- Lets those try that wait for the places that were touched; how many.
  function kit.call()
    local number = 0
    for _, place in ipairs(order) do
      local to, per = measure(place)
      if to then
        local called, left = call_here(place, to - count(place, to, per))
        number = number + called
        plan(place, per, left)
      else
        redis.call('ZREM', look, place)
        redis.call('ZREM', due, place)
      end
    end
    touched, order = {}, {}
    return number
  end

  kit.touch = touch
  return kit
end
