-- A claim's field in its worker's hash: when it was lent, a number that is never used again with a
-- mark if need be, and its place among the enqueued: priority, sequence number, queue. Sorts by age
-- of the claim.
local function field_of(at, token, number, priority, age, queue, mark)
  return string.format('%017.6f:%s%06x%s:', tonumber(at), token, number, mark or '')
    .. priority .. ':' .. age .. ':' .. queue
end

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
