-- Whether a text seems to name one of the ids, which stand in ARGV from `first` on. Read without
-- decoding: who asked makes sure.
local function wanted(first)
  local ids = {}
  for i = first, #ARGV do ids[ARGV[i]] = true end
  return function(text)
    for id in string.gmatch(text, '"jid"%s*:%s*"([^"]*)"') do
      if ids[id] then return true end
    end
    return false
  end
end
