-- Gives a record and leaves a trace in its place, with the record for who took it: to be asked twice is the same as once.
-- KEYS: record. ARGV: not after (ms), trace, its life (ms), now (s).
-- Gives the record, false: there is none, -1: too late.
local kept = redis.call('GET', KEYS[1])
if not kept then return false end
local trace = string.len(ARGV[2])
if string.sub(kept, 1, trace) == ARGV[2] then return string.sub(kept, trace + 1) end
if is_late() then return -1 end
if has_ended(kept, ARGV[4]) then return false end
keep(ARGV[2] .. kept)
return kept
