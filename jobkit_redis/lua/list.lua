-- KEYS: a list. ARGV: limit, how far from the left end the next job was, its digest ('' the head).
-- Returns the place of the first it returns, from the left, and the payloads, head first.
-- What is taken leaves at the right and what comes enters at the left: counted from the left, the
-- job that comes next has only moved by what has come since, and lies there or to the right.
local limit = tonumber(ARGV[1])
local length = redis.call('LLEN', KEYS[1])
local at = length - 1

local function found_from(start)
  for from = start, math.min(start + 100000, length - 1), 500 do
    for i, text in ipairs(redis.call('LRANGE', KEYS[1], from, from + 499)) do
      if redis.sha1hex(text) == ARGV[3] then return from + i - 1 end
    end
  end
end

if ARGV[3] ~= '' then
  local expected = math.min(tonumber(ARGV[2]), length - 1)
  at = found_from(expected) or found_from(math.max(0, expected - 1000)) or expected
end
if at < 0 then return {-1, {}} end
local found = redis.call('LRANGE', KEYS[1], math.max(0, at - limit + 1), at)
local turned = {}
for i = #found, 1, -1 do turned[#turned + 1] = found[i] end
return {at, turned}
