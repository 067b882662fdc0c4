-- include: kind moment publish push batch lock
-- KEYS: queues, schedule, sequence, locks; then what the jobs name by position.
-- ARGV: now, channel, names to wake; the batch, 1 if it is to be closed, and how many fields and
-- values of it follow if it is to be opened; then the jobs, as for unique ones.
-- Returns 'ok' and each job that lost with what it lost to; 'late', a batch and why it takes no
-- members; 'raise' and one that must not lose with what it would lose to; 'again' if another look
-- is needed. But for the first, nothing is stored.
local now = moment(ARGV[1])
for i, kind in ipairs({'set', 'zset', 'string', 'hash'}) do
  local wrong = check(KEYS[i], kind)
  if wrong then return wrong end
end
local at = 4 + tonumber(ARGV[3])
local id, closes, number = ARGV[at], ARGV[at + 1] == '1', tonumber(ARGV[at + 2])
local first, width = at + 3 + number, 7 + LOCK
local batches = keep_batches(KEYS[1], KEYS[3], now, ARGV[2])

local fields, parent = {}, nil
for i = at + 3, first - 1 do fields[#fields + 1] = ARGV[i] end
for i = 1, #fields, 2 do
  if fields[i] == 'parent' then parent = fields[i + 1] end
end
local opens = number > 0 and not batches.is(id)
local asked = opens and parent or not opens and id
local why = asked and batches.refuses(asked)
if why then return {'late', asked, why} end

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

if opens then batches.open(id, fields) end
for at = first, #ARGV, width do
  if admit(at, now, KEYS[1], KEYS[2], KEYS[3], KEYS[4], verdicts[at], batches) then
    batches.join(id, ARGV[at + 9])
  end
end
if closes then batches.close(id) end
publish(ARGV[2], 3)
return told
