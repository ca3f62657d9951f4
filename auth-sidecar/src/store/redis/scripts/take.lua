-- Gives a record and leaves a trace in its place, with the record for who took it: to be asked twice is the same as once.
-- KEYS: record. ARGV: not after (ms), trace, its life (ms), now (s).
-- Gives the record, false: there is none, -1: too late.
local kept = redis.call('GET', KEYS[1])
if not kept then return false end
local trace = string.len(ARGV[2])
if string.sub(kept, 1, trace) == ARGV[2] then return string.sub(kept, trace + 1) end
local time = redis.call('TIME')
if time[1] * 1000 + time[2] / 1000 > tonumber(ARGV[1]) then return -1 end
if tonumber(ARGV[4]) >= tonumber(string.match(kept, '^%S+ (%d+)\n')) then return false end
redis.call('SET', KEYS[1], ARGV[2] .. kept, 'PX', ARGV[3])
return kept
