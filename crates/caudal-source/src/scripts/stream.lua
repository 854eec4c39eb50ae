#!lua flags=no-writes
-- Called by Stream::observe. One consistent look at a stream and its group.
-- KEYS: stream
-- ARGV: group
-- Returns {entries, entries ever added, the group's last delivered id or false where there is no such group, entries that wait for
-- the group or -1 where they must be counted, entries pending, names of the consumers that have some}.
local stream, group = KEYS[1], ARGV[1]

local function named(list)
  local map = {}
  for i = 1, #list, 2 do
    map[list[i]] = list[i + 1]
  end
  return map
end

local length = redis.call('XLEN', stream)
if redis.call('EXISTS', stream) == 0 then
  return {0, 0, false, 0, 0, {}}
end
local added = named(redis.call('XINFO', 'STREAM', stream))['entries-added']

local found
for _, list in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
  local info = named(list)
  if info.name == group then
    found = info
  end
end
if not found then
  return {length, added, false, 0, 0, {}}
end

local last = found['last-delivered-id']
local waiting
if #redis.call('XRANGE', stream, '(' .. last, '+', 'COUNT', 1) == 0 then
  waiting = 0
elseif #redis.call('XRANGE', stream, '-', last, 'COUNT', 1) == 0 then
  waiting = length
elseif found.lag and found.lag > 0 and found.lag < length then
  waiting = found.lag
else
  -- Redis cannot tell, or says what is not so: #13337, #13957 and whatever ENTRIESREAD was given.
  waiting = -1
end

local busy = {}
for _, list in ipairs(found.pending > 0 and redis.call('XINFO', 'CONSUMERS', stream, group) or {}) do
  local consumer = named(list)
  if consumer.pending > 0 then
    busy[#busy + 1] = consumer.name
  end
end
return {length, added, last, waiting, found.pending, busy}
