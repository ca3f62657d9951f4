-- Lends tokens of a bucket from which all gateways take, as many as are there: the rules of store/bucket.rs, by the server's clock.
-- KEYS: bucket. ARGV: capacity, tokens gained in a span, the span (ms), how many are wanted.
-- Gives how many are lent, and after how long (ms) one more is there, or -1 where as many were lent as wanted.
local capacity, tokens, span, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local at, owed = now, 0
local kept = redis.call('GET', KEYS[1])
if kept then
  at, owed = string.match(kept, '\n{"at":(%d+),"owed":(%d+)}$')
  if not at then return redis.error_reply('ERR not a bucket') end
  at, owed = tonumber(at), tonumber(owed)
  if at - now > 60000 then at = now end
  owed = math.max(0, owed - math.max(0, now - at) * tokens)
  at = math.max(at, now)
end
local lent = math.min(wanted, math.floor(math.max(0, capacity * span - owed) / span))
if lent > 0 then
  owed = owed + lent * span
  local life = math.ceil(owed / tokens) + at - now + 1000
  local record = string.format('lent %.0f\n{"at":%.0f,"owed":%.0f}', math.ceil((now + life) / 1000), at, owed)
  redis.call('SET', KEYS[1], record, 'PX', string.format('%.0f', life))
end
if lent == wanted then return {lent, -1} end
return {lent, math.ceil(math.max(0, owed + span - capacity * span) / tokens) + at - now}
