-- Keeps a record where there is none that has not ended.
-- KEYS: record. ARGV: not after (ms), now (s), record, its life (ms) or ''.
-- Gives 1: done, 0: there is one, -1: too late.
local time = redis.call('TIME')
if time[1] * 1000 + time[2] / 1000 > tonumber(ARGV[1]) then return -1 end
local kept = redis.call('GET', KEYS[1])
if kept and tonumber(ARGV[2]) < tonumber(string.match(kept, '^%S+ (%d+)\n')) then return 0 end
if ARGV[4] == '' then
  redis.call('SET', KEYS[1], ARGV[3])
else
  redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
end
return 1
