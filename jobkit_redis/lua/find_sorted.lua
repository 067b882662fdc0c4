-- include: named
-- KEYS: a sorted set. ARGV: cursor, how many to look at, how many bytes stand before the text,
-- and the ids.
-- Returns the next cursor, and members and scores in turn.
local named, found = wanted(4), {}
local scan = redis.call('ZSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
for i = 1, #scan[2], 2 do
  if named(string.sub(scan[2][i], ARGV[3] + 1)) then
    found[#found + 1] = scan[2][i]
    found[#found + 1] = scan[2][i + 1]
  end
end
return {scan[1], found}
