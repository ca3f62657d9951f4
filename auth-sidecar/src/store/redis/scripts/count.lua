-- Adds one to a counter, or begins anew where its window has passed.
-- KEYS: counter. ARGV: now (s), end of a new window (s), its life (ms).
-- Gives the sum.
local kept = redis.call('GET', KEYS[1])
local sum, ends
if kept then sum, ends = string.match(kept, '^(%d+) (%d+)$') end
if sum and tonumber(ARGV[1]) < tonumber(ends) then
  sum = string.format('%.0f', math.min(tonumber(sum) + 1, 4294967295))
  redis.call('SET', KEYS[1], sum .. ' ' .. ends, 'KEEPTTL')
  return tonumber(sum)
end
redis.call('SET', KEYS[1], '1 ' .. ARGV[2], 'PX', ARGV[3])
return 1
