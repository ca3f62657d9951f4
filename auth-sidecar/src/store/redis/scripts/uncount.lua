-- Takes one from a counter whose window lasts.
-- KEYS: counter. ARGV: now (s).
local kept = redis.call('GET', KEYS[1])
local sum, ends
if kept then sum, ends = string.match(kept, '^(%d+) (%d+)$') end
if sum and tonumber(sum) > 0 and tonumber(ARGV[1]) < tonumber(ends) then
  redis.call('SET', KEYS[1], string.format('%.0f', tonumber(sum) - 1) .. ' ' .. ends, 'KEEPTTL')
end
return 1
