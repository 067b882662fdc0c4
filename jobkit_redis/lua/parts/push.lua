-- Puts a job among the enqueued ones. `age` is the sequence number it had, if it keeps its place;
-- '' there is before all others. Returns what the server says to the write.
local function push(list, ranked, sequence, priority, age, payload)
  if priority == '0' then
    if not age then return redis.pcall('LPUSH', list, payload) end
    if age == '' then return redis.pcall('RPUSH', list, payload) end
  elseif not age then
    age = string.format('%016x', redis.call('INCR', sequence))
  elseif age == '' then
    age = '0000000000000000'
  end
  return redis.pcall('ZADD', ranked, priority, age .. payload)
end

local function failed(reply)
  return type(reply) == 'table' and reply.err
end
