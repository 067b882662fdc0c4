-- include: moment publish push
-- KEYS: queues, sequence, locks; then what the jobs name by position.
-- ARGV: now, channel, names to wake, seconds to remember, and the jobs: the key that remembers it,
-- its lock's name ('' for none), its id, and where it goes:
--   Q list queue priority payload      enqueued
--   Z set score payload                scheduled, to be retried, or dead
-- Each is remembered once it is there, never before. Returns what each lost to, '' for nothing.
local first = 4 + tonumber(ARGV[3])
local at, told = first + 1, {}
while at <= #ARGV do
  local once, name, job, to = KEYS[tonumber(ARGV[at])], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local owner = name ~= '' and redis.call('HGET', KEYS[3], name)
  if redis.call('EXISTS', once) == 1 then
    told[#told + 1] = ''
  elseif owner and owner ~= job then
    told[#told + 1] = owner
  else
    local reply
    if to == 'Q' then
      local list = tonumber(ARGV[at + 4])
      redis.call('SADD', KEYS[1], ARGV[at + 5])
      reply = push(KEYS[list], KEYS[list + 1], KEYS[2], ARGV[at + 6], false, ARGV[at + 7])
    else
      reply = redis.pcall('ZADD', KEYS[tonumber(ARGV[at + 4])], ARGV[at + 5], ARGV[at + 6])
    end
    if failed(reply) then return reply end
    redis.call('SET', once, '1', 'EX', ARGV[first])
    if name ~= '' then redis.call('HSET', KEYS[3], name, job) end
    told[#told + 1] = ''
  end
  at = at + (to == 'Q' and 8 or 7)
end
publish(ARGV[2], 3)
return told
