-- ARGV[at] names to wake follow. Returns the position behind them.
-- Without the right to publish, those who wait find the jobs by polling: never an error.
local function publish(channel, at)
  local last = at + tonumber(ARGV[at])
  for i = at + 1, last do redis.pcall('PUBLISH', channel, ARGV[i]) end
  return last + 1
end
