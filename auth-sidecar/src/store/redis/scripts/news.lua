-- What came after a place of the log; all, where that is none of this log. The epoch tells of the server too: after a fail-over
-- entries may be missing, and their numbers may be given a second time.
-- KEYS: head, log. ARGV: epoch where there is no log yet, epoch of the place or '', its number.
-- Gives epoch, number of the last entry, number after which the entries begin, entries.
redis.call('HSETNX', KEYS[1], 'epoch', ARGV[1])
local server = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)') or 'none'
local epoch = redis.call('HGET', KEYS[1], 'epoch') .. '-' .. string.sub(server, 1, 12)
local seq = tonumber(redis.call('HGET', KEYS[1], 'seq') or '0')
local since = tonumber(ARGV[3])
if ARGV[2] ~= epoch or since > seq then since = 0 end
return {epoch, seq, since, redis.call('ZRANGE', KEYS[2], '(' .. string.format('%.0f', since), '+inf', 'BYSCORE')}
