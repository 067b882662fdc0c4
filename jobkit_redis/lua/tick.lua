-- include: kind moment publish push batch lock
-- KEYS: entries, owners, last, runs, paused, queues, schedule, sequence, list, ranked set, locks;
-- then what the lock names by position.
-- ARGV: now, channel, names to wake; the entry's name, the tick, the run as a line, how many runs
-- are kept; the job's queue, priority, payload, and a score if it is to be enqueued later; its lock, if it needs one. Where another job
-- has that, the tick is recorded and nothing is enqueued. Returns 2 if one must look again.
-- The latest tick only ever grows, so of all that try a tick one enqueues it. Whatever may fail
-- does so before the first write, as there is no rollback. Returns whether it was this call.
local at = 4 + tonumber(ARGV[3])
local name, tick, run, most = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
local queue, priority, payload, score = ARGV[at + 4], ARGV[at + 5], ARGV[at + 6], ARGV[at + 7]

local last = redis.call('HGET', KEYS[3], name)
if not last or tonumber(last) >= tonumber(tick) then return 0 end
if redis.call('SISMEMBER', KEYS[5], name) == 1 then return 0 end
for i, kind in ipairs({'hash', 'set', 'set', 'zset', 'string', 'list', 'zset'}) do
  local wrong = check(KEYS[i + 3], kind)
  if wrong then return wrong end
end
local verdict = 'own'
local locked = #ARGV > at + 7
if locked then
  verdict = verdict_of(KEYS[11], at + 8, moment(ARGV[1]))
  if verdict == 'again' then return 2 end
end

redis.call('HSET', KEYS[3], name, tick)
if verdict == 'lost' or verdict == 'raise' then return 1 end
if locked then
  local now = moment(ARGV[1])
  take(KEYS[11], at + 8, now, score, verdict, keep_batches(KEYS[6], KEYS[8], now, ARGV[2]))
end
local kept = 1
for line in string.gmatch(redis.call('HGET', KEYS[4], name) or '', '[^\n]+') do
  if kept == most then break end
  run, kept = run .. '\n' .. line, kept + 1
end
redis.call('HSET', KEYS[4], name, run)
if score ~= '' and tonumber(score) > tonumber(moment(ARGV[1])) then
  redis.call('ZADD', KEYS[7], score, payload)
else
  redis.call('SADD', KEYS[6], queue)
  push(KEYS[9], KEYS[10], KEYS[8], priority, false, payload)
end
publish(ARGV[2], 3)
return 1
