#!lua flags=allow-oom
-- Called by Consumer::promote. Moves entries whose retry is due back to the stream, where they wait as new ones do.
-- allow-oom: what is to be retried must drain on a full Redis too, and moving it takes no more room.
-- KEYS: retry, stream, paused
-- ARGV: most entries
-- Returns how many were moved; none while the queue is paused.
local retry, stream, paused = unpack(KEYS)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local due = redis.call('ZRANGE', retry, '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[1])
if #due == 0 or redis.call('EXISTS', paused) == 1 then
  return 0
end
for _, entry in ipairs(due) do
  redis.call('XADD', stream, '*', 'e', entry)
end
redis.call('ZREM', retry, unpack(due))
return #due
