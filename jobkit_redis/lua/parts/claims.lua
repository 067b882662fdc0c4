-- The claims of a worker, as they lie in its hash: see `field_of`.
local function place_of(field)
  return string.match(field, '^[^:]*:[^:]*:([^:]*):([^:]*):(.*)$')
end

-- The fields and payloads of a hash, the oldest claim first.
local function claims_in(key)
  local flat, fields, texts = redis.call('HGETALL', key), {}, {}
  for i = 1, #flat, 2 do
    fields[#fields + 1] = flat[i]
    texts[flat[i]] = flat[i + 1]
  end
  table.sort(fields)
  return fields, texts
end

local function store(key, flat)
  for i = 1, #flat, 1000 do
    redis.call('HSET', key, unpack(flat, i, math.min(i + 999, #flat)))
  end
end
