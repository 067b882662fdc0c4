-- include: moment limits
-- KEYS: limits. ARGV: now, and names of places.
-- Returns of each place how many are taken, and how many jobs wait.
local kit = limiting(string.sub(KEYS[1], 1, -7), '', moment(ARGV[1]))
local told = {}
for i = 2, #ARGV do told[i - 1] = {kit.told(ARGV[i])} end
return told
