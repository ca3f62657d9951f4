-- Keeps a record where there is none that has not ended. To be asked twice is the same as once.
-- KEYS: record. ARGV: not after (ms), record, its life (ms) or '', now (s).
-- Gives 1: done, 0: there is one, -1: too late.
local kept = redis.call('GET', KEYS[1])
if kept == ARGV[2] then return 1 end
local time = redis.call('TIME')
if time[1] * 1000 + time[2] / 1000 > tonumber(ARGV[1]) then return -1 end
if kept and tonumber(ARGV[4]) < tonumber(string.match(kept, '^%S+ (%d+)\n')) then return 0 end
if ARGV[3] == '' then
  redis.call('SET', KEYS[1], ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1
