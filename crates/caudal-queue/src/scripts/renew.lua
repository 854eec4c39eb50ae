#!lua flags=allow-oom
-- Called by Queue::renew. The heartbeat of one consumer: restarts the clock of the leases it still owns and notes that it lives.
-- A lease that went to another is left alone. The number of deliveries does not change.
-- allow-oom: a worker must keep its leases on a full Redis, or nothing would drain.
-- KEYS: stream, workers
-- ARGV: group, consumer, milliseconds after which a silent consumer is forgotten, then entries
-- Returns the entries that are not the consumer's (any more).
local FIRST_ENTRY = 4
local stream, workers = unpack(KEYS)
local group, consumer = ARGV[1], ARGV[2]

local lost = {}
for i = FIRST_ENTRY, #ARGV do
  local pending = redis.call('XPENDING', stream, group, ARGV[i], ARGV[i], 1)[1]
  if pending and pending[2] == consumer then
    redis.call('XCLAIM', stream, group, consumer, 0, ARGV[i], 'JUSTID')
  else
    lost[#lost + 1] = ARGV[i]
  end
end

local seconds, micros = unpack(redis.call('TIME'))
local now = seconds * 1000 + math.floor(micros / 1000)
redis.call('ZADD', workers, string.format('%.0f', now), consumer)
redis.call('ZREMRANGEBYSCORE', workers, '-inf', string.format('%.0f', now - ARGV[3]))
redis.call('PEXPIRE', workers, ARGV[3])
return lost
