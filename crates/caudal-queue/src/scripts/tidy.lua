#!lua flags=allow-oom
-- Called by Queue::tidy and Consumer::leave. Removes consumers that hold nothing and have not been heard of for long.
-- allow-oom: it frees memory.
-- KEYS: stream, workers
-- ARGV: group, idle milliseconds, nobody, the one consumer to look at or ''
-- Returns how many were removed.
local stream, workers = unpack(KEYS)
local group, idle, nobody, only = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]

if redis.call('EXISTS', stream) == 0 then
  return 0
end

local removed = 0
for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group)) do
  local consumer = {}
  for i = 1, #info, 2 do
    consumer[info[i]] = info[i + 1]
  end
  local meant = only == '' and consumer.idle >= idle or consumer.name == only
  if meant and consumer.name ~= nobody and consumer.pending == 0 then
    redis.call('XGROUP', 'DELCONSUMER', stream, group, consumer.name)
    redis.call('ZREM', workers, consumer.name)
    removed = removed + 1
  end
end
return removed
