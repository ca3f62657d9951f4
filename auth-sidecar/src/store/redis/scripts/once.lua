-- What the scripts share that write once; it stands before each of them.
-- KEYS: record. ARGV: not after (ms), what to write, its life (ms) or '' for ever.
local function is_late()
  local time = redis.call('TIME')
  return time[1] * 1000 + time[2] / 1000 > tonumber(ARGV[1])
end
local function has_ended(kept, now) return tonumber(now) >= tonumber(string.match(kept, '^%S+ (%d+)\n')) end
local function keep(record)
  if ARGV[3] == '' then
    redis.call('SET', KEYS[1], record)
  else
    redis.call('SET', KEYS[1], record, 'PX', ARGV[3])
  end
end
