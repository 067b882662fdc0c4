-- include: kind moment publish push batch lock
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
local batches = keep_batches(KEYS[1], KEYS[3], now, ARGV[2])

local told, verdicts = {'ok'}, {}
for at = first, #ARGV, width do
  local verdict, owner, wrong = judge(at, now, KEYS[4])
  if wrong then return wrong end
  if verdict == 'again' then return {'again'} end
  if verdict == 'raise' then return {'raise', ARGV[at + 9], owner} end
  if verdict == 'lost' then
    told[#told + 1] = ARGV[at + 9]
    told[#told + 1] = owner
  end
  verdicts[at] = verdict
end

for at = first, #ARGV, width do
  admit(at, now, KEYS[1], KEYS[2], KEYS[3], KEYS[4], verdicts[at], batches)
end
publish(ARGV[2], 3)
return told
