#!lua flags=allow-oom
-- Called by Queue::release. Gives leases back: their entries wait under the name of nobody, where any reclaim takes them at once.
-- This delivery is not counted, nor is its try of a suspect: nobody has died of it. Only a lease's owner changes anything.
-- KEYS: stream, deaths
-- ARGV: group, consumer, first and last entry, nobody, how many entries were tried, then entries, these first
-- Returns how many were given back; the others are not the consumer's (any more).
local FIRST_ENTRY = 7
local stream, deaths = unpack(KEYS)
local group, consumer, nobody, tried = ARGV[1], ARGV[2], ARGV[5], tonumber(ARGV[6])
local mine = owned(stream, group, consumer, ARGV[3], ARGV[4])

local released = 0
for i = FIRST_ENTRY, #ARGV do
  local entry = ARGV[i]
  if mine[entry] then
    redis.call('XCLAIM', stream, group, nobody, 0, entry, 'RETRYCOUNT', math.max(mine[entry] - 1, 0), 'JUSTID')
    if i < FIRST_ENTRY + tried and redis.call('HINCRBY', deaths, entry, -1) <= 0 then
      redis.call('HDEL', deaths, entry)
    end
    released = released + 1
  end
end
return released
