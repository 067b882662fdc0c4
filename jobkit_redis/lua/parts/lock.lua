-- The lock of a unique job that is about to be stored, in nine arguments: its name ('' for none),
-- the position of its own key if time alone ends it (0 for one in the hash of locks), the job,
-- seconds, what a conflict does (skip, replace or raise); and for a job to be replaced who had the
-- lock when that was looked for, and how (L list, Z set, '' not at all), where and as what it lay.
local LOCK = 9

local function owner_of(locks, at, now)
  local own = tonumber(ARGV[at + 1])
  if own == 0 then return redis.call('HGET', locks, ARGV[at]) or nil end
  local ends, job = string.match(redis.call('GET', KEYS[own]) or '', '^(%S+) (.*)$')
  if ends and tonumber(ends) > tonumber(now) then return job end
end

local function lies(at)
  local kind, key, text = ARGV[at], KEYS[tonumber(ARGV[at + 1])], ARGV[at + 2]
  if kind == 'Z' then return redis.call('ZSCORE', key, text) end
  return redis.call('LPOS', key, text, 'RANK', -1)
end

-- What becomes of the job (own, replace, lost, raise), or that one must look again (again); and
-- who has the lock.
local function verdict_of(locks, at, now)
  if ARGV[at] == '' then return 'own' end
  local owner = owner_of(locks, at, now)
  if not owner or owner == ARGV[at + 2] then return 'own' end
  local conflict = ARGV[at + 4]
  if conflict == 'raise' then return 'raise', owner end
  if conflict == 'skip' then return 'lost', owner end
  if owner ~= ARGV[at + 5] then return 'again' end
  if ARGV[at + 6] == '' then return 'lost', owner end
  return lies(at + 6) and 'replace' or 'again', owner
end

-- Takes the lock for a job that is due at `score`, in place of the one that waits if need be.
local function take(locks, at, now, score, verdict, batches)
  if ARGV[at] == '' then return end
  if verdict == 'replace' then
    local key, text = KEYS[tonumber(ARGV[at + 7])], ARGV[at + 8]
    if ARGV[at + 6] == 'Z' then redis.call('ZREM', key, text) else redis.call('LREM', key, -1, text) end
    batches.removed(string.match(text, '{.*') or text)
  end
  local own = tonumber(ARGV[at + 1])
  if own == 0 then
    redis.call('HSET', locks, ARGV[at], ARGV[at + 2])
    return
  end
  local wait = math.max(0, (tonumber(score) or 0) - tonumber(now))
  local lasts = wait + tonumber(ARGV[at + 3])
  local ends = string.format('%.6f', tonumber(now) + lasts)
  redis.call('SET', KEYS[own], ends .. ' ' .. ARGV[at + 2], 'PX', math.ceil(lasts * 1000))
end

-- What becomes of a job with a lock, which stands at `at` as list, queue, priority, payload, score,
-- the key that remembers it, for how long, and the lock; who has the lock; what is wrong.
local function judge(at, now, locks)
  local list, once, own = tonumber(ARGV[at]), tonumber(ARGV[at + 5]), tonumber(ARGV[at + 8])
  local wrong = check(KEYS[list], 'list') or check(KEYS[list + 1], 'zset')
    or own > 0 and check(KEYS[own], 'string')
  if wrong then return nil, nil, wrong end
  if once > 0 and redis.call('EXISTS', KEYS[once]) == 1 then return 'known' end
  return verdict_of(locks, at + 7, now)
end

-- Stores it if that was the verdict; true when it did.
local function admit(at, now, queues, schedule, sequence, locks, verdict, batches)
  if verdict ~= 'own' and verdict ~= 'replace' then return false end
  local list, once = tonumber(ARGV[at]), tonumber(ARGV[at + 5])
  local queue, priority, payload, score = unpack(ARGV, at + 1, at + 4)
  if once > 0 then redis.call('SET', KEYS[once], '1', 'EX', ARGV[at + 6]) end
  take(locks, at + 7, now, score, verdict, batches)
  if score ~= '' and tonumber(score) > tonumber(now) then
    redis.call('ZADD', schedule, score, payload)
  else
    redis.call('SADD', queues, queue)
    push(KEYS[list], KEYS[list + 1], sequence, priority, false, payload)
  end
  return true
end
