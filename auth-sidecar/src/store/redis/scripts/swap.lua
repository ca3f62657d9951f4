-- Replaces a record if it is still the write that was seen; removes it where nothing shall be there instead.
-- KEYS: record. ARGV: not after (ms), write seen, record instead or '', its life (ms) or ''.
-- Gives 1: done, 0: somebody else has written, -1: too late, the caller has given up.
local time = redis.call('TIME')
if time[1] * 1000 + time[2] / 1000 > tonumber(ARGV[1]) then return -1 end
local kept = redis.call('GET', KEYS[1])
if not kept or string.sub(kept, 1, string.len(ARGV[2])) ~= ARGV[2] then return 0 end
if ARGV[3] == '' then
  redis.call('DEL', KEYS[1])
elseif ARGV[4] == '' then
  redis.call('SET', KEYS[1], ARGV[3])
else
  redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
end
return 1
