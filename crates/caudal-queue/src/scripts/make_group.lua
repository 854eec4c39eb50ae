#!lua flags=allow-oom
-- Called by Consumer::lease, where the group is not there. Makes it, at the stream's start.
-- allow-oom: a Redis that was filled before the first worker came must drain.
-- KEYS: stream
-- ARGV: group
-- Returns 1, also when another was faster.
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
if made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then
  return made
end
return 1
