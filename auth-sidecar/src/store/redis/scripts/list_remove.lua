-- Takes a name off a list.
-- KEYS: names, their ends. ARGV: name.
redis.call('ZREM', KEYS[1], ARGV[1])
return redis.call('ZREM', KEYS[2], ARGV[1])
