-- Whether a text seems to name one of the ids, which stand in ARGV from `first` on. Read without
-- decoding: who asked makes sure.
local function wanted(first)
  local ids, digests = {}, false
  for i = first, #ARGV do
    ids[ARGV[i]] = true
    digests = digests or string.sub(ARGV[i], 1, 5) == 'sha1-'
  end
  return function(text)
    if digests and ids['sha1-' .. redis.sha1hex(text)] then return true end
    for id in string.gmatch(text, '"jid"%s*:%s*"([^"]*)"') do
      if ids[id] then return true end
    end
    return false
  end
end
