-- The names on a list after one of them, in their order, whose end has not come.
-- KEYS: names, their ends. ARGV: after ('' for all), how many at most, now (s).
local first = '-'
if ARGV[1] ~= '' then first = '(' .. ARGV[1] end
local found = {}
local most = tonumber(ARGV[2])
while #found < most do
  local names = redis.call('ZRANGE', KEYS[1], first, '+', 'BYLEX', 'LIMIT', 0, most)
  if #names == 0 then break end
  for _, name in ipairs(names) do
    local ends = redis.call('ZSCORE', KEYS[2], name)
    if #found < most and ends and tonumber(ends) > tonumber(ARGV[3]) then found[#found + 1] = name end
  end
  first = '(' .. names[#names]
end
return found
