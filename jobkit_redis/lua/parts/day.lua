-- The date (UTC) of a moment, in the proleptic Gregorian calendar.
-- Algorithm: Howard Hinnant, chrono-compatible low-level date algorithms, civil_from_days.
local function day_of(seconds)
  local floor = math.floor
  local days = floor(tonumber(seconds) / 86400) + 719468
  local era = floor(days / 146097)
  local of_era = days - era * 146097
  local year = floor((of_era - floor(of_era / 1460) + floor(of_era / 36524) - floor(of_era / 146096)) / 365)
  local of_year = of_era - (365 * year + floor(year / 4) - floor(year / 100))
  local shifted = floor((5 * of_year + 2) / 153)
  local day = of_year - floor((153 * shifted + 2) / 5) + 1
  local month = shifted < 10 and shifted + 3 or shifted - 9
  if month <= 2 then year = year + 1 end
  return string.format('%04d-%02d-%02d', year + era * 400, month, day)
end
