#!lua flags=allow-oom
-- Called by Queue::drop_dead. Deletes dead letters for good; their batches' status still lists them.
-- allow-oom: it frees memory.
-- KEYS: dead, shut
-- ARGV: most dead letters, then letters
-- Returns how many were deleted.
local FIRST_LETTER = 2
local dead, shut = unpack(KEYS)
local dropped = redis.call('XDEL', dead, unpack(ARGV, FIRST_LETTER))
if redis.call('XLEN', dead) < tonumber(ARGV[1]) then
  redis.call('DEL', shut)
end
return dropped
