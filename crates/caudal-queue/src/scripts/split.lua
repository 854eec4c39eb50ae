#!lua flags=allow-oom
-- Called by Queue::split. Puts other entries with the same invoices in the place of one; the backlog does not change. Only the
-- lease's owner changes anything, and only once.
-- allow-oom: a chunk that kills its workers must not hold up a full Redis.
-- KEYS: stream, deaths
-- ARGV: group, consumer, entry, then the new entries
-- Returns 1 when split, 0 when the lease is not the consumer's (any more).
local FIRST_PART = 4
local stream, deaths = unpack(KEYS)
local group, consumer, entry = ARGV[1], ARGV[2], ARGV[3]
if not owned(stream, group, consumer, entry, entry)[entry] then
  return 0
end

for i = FIRST_PART, #ARGV do
  redis.call('XADD', stream, '*', 'e', ARGV[i])
end
redis.call('HDEL', deaths, entry)
redis.call('XACK', stream, group, entry)
redis.call('XDEL', stream, entry)
return 1
