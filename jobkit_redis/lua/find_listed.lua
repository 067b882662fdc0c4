-- include: named
-- KEYS: a list. ARGV: where to begin from the left, how many to look at, and the ids.
-- Returns whether there are more, and what was found.
local named, found = wanted(3), {}
local from, number = tonumber(ARGV[1]), tonumber(ARGV[2])
for _, text in ipairs(redis.call('LRANGE', KEYS[1], from, from + number - 1)) do
  if named(text) then found[#found + 1] = text end
end
return {from + number < redis.call('LLEN', KEYS[1]) and 1 or 0, found}
