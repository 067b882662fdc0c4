-- A claim's field in its worker's hash: when it was lent, a number that is never used again with a
-- mark if need be, and its place among the enqueued: priority, sequence number, queue. Sorts by age
-- of the claim.
local function field_of(at, token, number, priority, age, queue, mark)
  -- The server's own moment is as long as it is to be.
  local when = #at == 17 and string.byte(at, 11) == 46 and at
    or string.format('%017.6f', tonumber(at))
  return when .. ':' .. token .. string.format('%06x', number) .. (mark or '') .. ':'
    .. priority .. ':' .. age .. ':' .. queue
end
