#!lua flags=allow-oom
-- Called by Queue::release. Gives leases back: their entries wait under the name of nobody, where any reclaim takes them at once.
-- This delivery is not counted, nor is a try of a suspect. Only a lease's owner changes anything.
-- KEYS: stream, deaths
-- ARGV: group, consumer, first and last entry, nobody, then entries
-- Returns how many were given back; the others are not the consumer's (any more).
local FIRST_ENTRY = 6
local stream, deaths = unpack(KEYS)
local group, consumer, nobody = ARGV[1], ARGV[2], ARGV[5]
local mine = owned(stream, group, consumer, ARGV[3], ARGV[4])

local released = {}
for i = FIRST_ENTRY, #ARGV do
  local entry = ARGV[i]
  if mine[entry] then
    redis.call('XCLAIM', stream, group, nobody, 0, entry, 'RETRYCOUNT', math.max(mine[entry] - 1, 0), 'JUSTID')
    released[#released + 1] = entry
  end
end
if #released > 0 then
  redis.call('HDEL', deaths, unpack(released))
end
return #released
