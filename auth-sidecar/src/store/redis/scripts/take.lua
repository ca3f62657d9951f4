-- Gives a record and removes it.
-- KEYS: record. ARGV: not after (ms).
-- Gives the record, false: there is none, -1: too late.
local time = redis.call('TIME')
if time[1] * 1000 + time[2] / 1000 > tonumber(ARGV[1]) then return -1 end
return redis.call('GETDEL', KEYS[1])
