-- The moment as text, in seconds: the one given, or the server's own.
local function moment(given)
  if given ~= '' then return given end
  local time = redis.call('TIME')
  return time[1] .. '.' .. string.sub('00000' .. time[2], -6)
end
