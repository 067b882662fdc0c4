-- include: claims
-- KEYS: the worker's claimed. Returns fields and payloads in turn, the oldest claim first.
local fields, texts = claims_in(KEYS[1])
local held = {}
for _, field in ipairs(fields) do
  held[#held + 1] = field
  held[#held + 1] = texts[field]
end
return held
