#!lua flags=allow-oom
-- Called by Queue::mark. Counts a try of an entry that may kill its worker. Only the lease's owner counts.
-- allow-oom: as renewing.
-- KEYS: stream, deaths
-- ARGV: group, consumer, entry, seconds to keep
-- Returns how often it has been tried, this time included; 0 when the lease is not the consumer's (any more).
local stream, deaths = unpack(KEYS)
local group, consumer, entry = ARGV[1], ARGV[2], ARGV[3]
if not owned(stream, group, consumer, entry, entry)[entry] then
  return 0
end
local tries = redis.call('HINCRBY', deaths, entry, 1)
redis.call('EXPIRE', deaths, ARGV[4])
return tries
