-- KEYS: dead, completed. ARGV: most dead, died before, ended before, limit.
-- Removes the oldest that are too many or too old; returns their number.
local limit = tonumber(ARGV[4])

local function older(key, moment)
  return redis.call('ZCOUNT', key, '-inf', moment)
end

local function cut(key, number)
  number = math.min(number, limit)
  if number > 0 then redis.call('ZREMRANGEBYRANK', key, 0, number - 1) end
  return math.max(number, 0)
end

local surplus = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[1])
return cut(KEYS[1], math.max(surplus, older(KEYS[1], ARGV[2]))) + cut(KEYS[2], older(KEYS[2], ARGV[3]))
