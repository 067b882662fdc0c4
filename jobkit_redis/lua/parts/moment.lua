-- The moment as text, in seconds: the one given, or the server's own.
local function moment(given)
  if given ~= '' then return given end
  local time = redis.call('TIME')
  return string.format('%d.%06d', time[1], time[2])
end
