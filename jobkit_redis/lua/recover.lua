-- include: moment field claims leave limits
-- KEYS: workers, leases, processes, and of the lost worker: info, work, workers, signals, claimed;
-- and the heir's claimed.
-- ARGV: lost worker, heir, its counter or '', token, now, channel.
-- Returns nil when the heir is not registered, else its new fields and their payloads.
if redis.call('HEXISTS', KEYS[1], ARGV[2]) == 0 then return false end
local beat = redis.call('HGET', KEYS[1], ARGV[1])
if not beat or ARGV[1] == ARGV[2] or (ARGV[3] ~= '' and ARGV[3] ~= beat) then return {} end
local now = moment(ARGV[5])
local fields, texts = claims_in(KEYS[8])
redis.call('HLEN', KEYS[9])
leave(ARGV[1])
local lent, kit = {}, nil
for number, field in ipairs(fields) do
  local priority, age, queue = place_of(field)
  local anew = field_of(now, ARGV[4], number, priority, age, queue)
  if is_limited(texts[field]) then
    kit = kit or limiting(string.sub(KEYS[1], 1, -8), ARGV[6], now)
    kit.free(KEYS[8], field, texts[field])
    kit.go_on(KEYS[8], field, KEYS[9], anew, texts[field])
  end
  lent[#lent + 1] = anew
  lent[#lent + 1] = texts[field]
end
store(KEYS[9], lent)
redis.call('DEL', KEYS[8])
if kit then kit.call() end
return lent
