-- Replaces a record if it is still the write that was seen. To be asked twice is the same as once.
-- KEYS: record. ARGV: not after (ms), record instead, its life (ms) or '', write seen.
-- Gives 1: done, 0: somebody else has written, -1: too late, the caller has given up.
local kept = redis.call('GET', KEYS[1])
if kept == ARGV[2] then return 1 end
local time = redis.call('TIME')
if time[1] * 1000 + time[2] / 1000 > tonumber(ARGV[1]) then return -1 end
if not kept or string.sub(kept, 1, string.len(ARGV[4])) ~= ARGV[4] then return 0 end
if ARGV[3] == '' then
  redis.call('SET', KEYS[1], ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1
