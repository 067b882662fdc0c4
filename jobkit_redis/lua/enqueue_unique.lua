-- include: kind moment publish push lock
-- KEYS: queues, schedule, sequence, locks; then what the jobs name by position.
-- ARGV: now, channel, names to wake, and the jobs: list, queue, priority, payload, score ('' for
-- none), key that remembers it and for how many seconds (0 for none), and its lock.
-- Returns 'ok' and each job that lost with what it lost to; 'raise' and one that must not lose with
-- what it would lose to; 'again' if another look is needed. In the latter cases nothing is stored:
-- whatever may fail does so before the first write.
local now = moment(ARGV[1])
for i, kind in ipairs({'set', 'zset', 'string', 'hash'}) do
  local wrong = check(KEYS[i], kind)
  if wrong then return wrong end
end
local first, width = 4 + tonumber(ARGV[3]), 7 + LOCK

local told, verdicts = {'ok'}, {}
for at = first, #ARGV, width do
  local list, once, own = tonumber(ARGV[at]), tonumber(ARGV[at + 5]), tonumber(ARGV[at + 8])
  local wrong = check(KEYS[list], 'list') or check(KEYS[list + 1], 'zset')
    or own > 0 and check(KEYS[own], 'string')
  if wrong then return wrong end
  local verdict, owner = 'known', nil
  if once == 0 or redis.call('EXISTS', KEYS[once]) == 0 then
    verdict, owner = verdict_of(KEYS[4], at + 7, now)
  end
  if verdict == 'again' then return {'again'} end
  if verdict == 'raise' then return {'raise', ARGV[at + 9], owner} end
  if verdict == 'lost' then
    told[#told + 1] = ARGV[at + 9]
    told[#told + 1] = owner
  end
  verdicts[at] = verdict
end

for at = first, #ARGV, width do
  local verdict, list, once = verdicts[at], tonumber(ARGV[at]), tonumber(ARGV[at + 5])
  if verdict == 'own' or verdict == 'replace' then
    local queue, priority, payload, score = unpack(ARGV, at + 1, at + 4)
    if once > 0 then redis.call('SET', KEYS[once], '1', 'EX', ARGV[at + 6]) end
    take(KEYS[4], at + 7, now, score, verdict)
    if score ~= '' and tonumber(score) > tonumber(now) then
      redis.call('ZADD', KEYS[2], score, payload)
    else
      redis.call('SADD', KEYS[1], queue)
      push(KEYS[list], KEYS[list + 1], KEYS[3], priority, false, payload)
    end
  end
end
publish(ARGV[2], 3)
return told
