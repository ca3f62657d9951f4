-- Replaces a record if it is still the write that was seen. To be asked twice is the same as once.
-- KEYS: record. ARGV: not after (ms), record instead, its life (ms) or '', write seen.
-- Gives 1: done, 0: somebody else has written, -1: too late, the caller has given up.
local kept = redis.call('GET', KEYS[1])
if kept == ARGV[2] then return 1 end
if is_late() then return -1 end
if not kept or string.sub(kept, 1, string.len(ARGV[4])) ~= ARGV[4] then return 0 end
keep(ARGV[2])
return 1
