#!lua flags=allow-oom
-- Called by Queue::release. Gives a lease back: its entry waits under the name of nobody, where any reclaim takes it at once.
-- This delivery is not counted. Only the lease's owner changes anything.
-- KEYS: stream
-- ARGV: group, consumer, entry, nobody
-- Returns 1 when given back, 0 when the lease is not the consumer's (any more).
local stream = KEYS[1]
local group, consumer, entry, nobody = unpack(ARGV)

local pending = redis.call('XPENDING', stream, group, entry, entry, 1)[1]
if not pending or pending[2] ~= consumer then
  return 0
end
redis.call('XCLAIM', stream, group, nobody, 0, entry, 'RETRYCOUNT', math.max(pending[4] - 1, 0), 'JUSTID')
return 1
