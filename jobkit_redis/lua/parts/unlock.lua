-- Frees a job's lock, if the job has it still.
local function unlock(locks, name, job)
  if redis.call('HGET', locks, name) == job then redis.call('HDEL', locks, name) end
end

-- Frees the lock that a payload names, or only one that lasts until the start. Most name none, and
-- are not read.
local function unlock_by(locks, payload, start_only)
  if not string.find(payload, '"unique"', 1, true) then return end
  local read, job = pcall(cjson.decode, payload)
  if not read or type(job) ~= 'table' or type(job.unique) ~= 'table' then return end
  local ends, key = job.unique['until'] or 'success', job.unique.key
  if type(ends) ~= 'string' or type(key) ~= 'string' then return end
  if ends == 'start' or not start_only then unlock(locks, ends .. ':' .. key, job.jid) end
end
