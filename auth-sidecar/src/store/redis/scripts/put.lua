-- Keeps or replaces a record.
-- KEYS: record. ARGV: not after (ms), record, its life (ms) or ''.
-- Gives 1: done, -1: too late.
local time = redis.call('TIME')
if time[1] * 1000 + time[2] / 1000 > tonumber(ARGV[1]) then return -1 end
if ARGV[3] == '' then
  redis.call('SET', KEYS[1], ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1
