-- An error if a key holds something of another kind than it is about to be given.
local function check(key, kind)
  local is = redis.call('TYPE', key).ok
  if is ~= 'none' and is ~= kind then
    return redis.error_reply('WRONGTYPE ' .. key .. ' holds a ' .. is .. ', not a ' .. kind)
  end
end
