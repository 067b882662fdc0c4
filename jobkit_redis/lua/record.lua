-- include: moment day
-- KEYS: any of the store's. ARGV: now, prefix, seconds to keep minutes, seconds to keep ten of
-- them, 1 to keep histograms as Sidekiq does, and measures: class, bucket, runs, milliseconds.
-- Named here, as only the server may know the minute; all is in the slot of all the others.
local now = moment(ARGV[1])
local date = string.gsub(string.sub(day_of(now), 3), '-', '')
local minutes = math.floor(tonumber(now) / 60) % 1440
local hour, minute = math.floor(minutes / 60), minutes % 60
local of_minute = string.format('%sj|%s|%d:%02d', ARGV[2], date, hour, minute)
local of_ten = string.format('%sj|%s|%d:%d', ARGV[2], date, hour, math.floor(minute / 10))
local day = tonumber(string.sub(date, 5))

local function add(field, number)
  redis.call('HINCRBY', of_minute, field, number)
  redis.call('HINCRBY', of_ten, field, number)
end

for at = 6, #ARGV, 4 do
  local class, bucket, runs, ms = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  add(class .. '|p', runs)
  if bucket == '-1' then
    add(class .. '|f', runs)
  else
    add(class .. '|ms', ms)
    redis.call('HINCRBY', of_minute, class .. '|' .. bucket, runs)
    if ARGV[5] == '1' then
      local gram = string.format('h|%s-%d-%d:%d', class, day, hour, minute)
      redis.call('BITFIELD', gram, 'OVERFLOW', 'SAT', 'INCRBY', 'u16', '#' .. bucket, runs)
      redis.call('EXPIRE', gram, ARGV[3])
    end
  end
end
redis.call('EXPIRE', of_minute, ARGV[3])
redis.call('EXPIRE', of_ten, ARGV[4])
