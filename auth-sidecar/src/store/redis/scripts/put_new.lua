-- Keeps a record where there is none that has not ended. To be asked twice is the same as once.
-- KEYS: record. ARGV: not after (ms), record, its life (ms) or '', now (s).
-- Gives 1: done, 0: there is one, -1: too late.
local kept = redis.call('GET', KEYS[1])
if kept == ARGV[2] then return 1 end
if is_late() then return -1 end
if kept and not has_ended(kept, ARGV[4]) then return 0 end
keep(ARGV[2])
return 1
