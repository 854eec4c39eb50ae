#!lua flags=allow-oom
-- Called by Queue::renew. The heartbeat of one consumer: restarts the clock of the leases it still owns and notes that it lives.
-- A lease that went to another is left alone. The number of deliveries does not change.
-- allow-oom: a worker must keep its leases on a full Redis, or nothing would drain.
-- KEYS: stream, workers
-- ARGV: group, consumer, first and last entry, milliseconds after which a silent consumer is forgotten, then entries
-- Returns the entries that are not the consumer's (any more).
local FIRST_ENTRY = 6
local stream, workers = unpack(KEYS)
local group, consumer = ARGV[1], ARGV[2]
local mine = owned(stream, group, consumer, ARGV[3], ARGV[4])

local kept, lost = {}, {}
for i = FIRST_ENTRY, #ARGV do
  local list = mine[ARGV[i]] and kept or lost
  list[#list + 1] = ARGV[i]
end
if #kept > 0 then
  kept[#kept + 1] = 'JUSTID'
  redis.call('XCLAIM', stream, group, consumer, 0, unpack(kept))
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', workers, now, consumer)
redis.call('ZREMRANGEBYSCORE', workers, '-inf', now - ARGV[5])
redis.call('PEXPIRE', workers, ARGV[5])
return lost
