-- How many members of the sorted set stand before (score, boundary), equal scores being in the
-- order of their bytes. Binary search: a million may share one score.
local function less(one, other)
  local shorter = math.min(#one, #other)
  for i = 1, shorter do
    local a, b = string.byte(one, i), string.byte(other, i)
    if a ~= b then return a < b end
  end
  return #one < #other
end

local function before(key, score, boundary)
  local low = redis.call('ZCOUNT', key, '-inf', '(' .. score)
  local high = redis.call('ZCOUNT', key, '-inf', score)
  while low < high do
    local middle = math.floor((low + high) / 2)
    local member = redis.call('ZRANGE', key, middle, middle)[1]
    if less(member, boundary) then low = middle + 1 else high = middle end
  end
  return low
end
