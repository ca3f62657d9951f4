-- Adds an entry to the log of revocations, and takes off some that nothing depends on any more.
-- KEYS: head, log. ARGV: epoch where there is no log yet, end of the entry (s), entry, now (s).
redis.call('HSETNX', KEYS[1], 'epoch', ARGV[1])
local seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
redis.call('ZADD', KEYS[2], seq, string.format('%.0f', seq) .. ' ' .. ARGV[2] .. ' ' .. ARGV[3])
for _, entry in ipairs(redis.call('ZRANGE', KEYS[2], 0, 99)) do
  if tonumber(string.match(entry, '^%d+ (%d+) ')) <= tonumber(ARGV[4]) then redis.call('ZREM', KEYS[2], entry) end
end
return seq
