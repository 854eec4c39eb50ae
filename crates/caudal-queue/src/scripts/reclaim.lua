#!lua flags=allow-oom
-- Called by Consumer::reclaim. Takes over what was given back, and leases whose owner has not renewed them in time.
-- Never takes an entry the consumer says it must not (it holds it, or gave it back a moment ago).
-- allow-oom: what a dead worker held must be recorded on a full Redis too.
-- KEYS: stream, paused
-- ARGV: group, consumer, nobody, most entries, idle milliseconds (-1: only what was given back), then entries not to take
-- Returns, empty while the queue is paused, {entries with their fields, deliveries of each, entries whose content is gone}.
local FIRST_FORBIDDEN, PAGE = 6, 100
local stream, paused = unpack(KEYS)
local group, consumer, nobody, most, idle = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])

if redis.call('EXISTS', paused) == 1 then
  return {{}, {}, {}}
end

local forbidden = {}
for i = FIRST_FORBIDDEN, #ARGV do
  forbidden[ARGV[i]] = true
end

local found, deliveries = {}, {}
local function collect(page_of)
  local from = '-'
  while #found < most do
    local page = page_of(from)
    for _, pending in ipairs(page) do
      local entry = pending[1]
      if #found < most and not forbidden[entry] and not deliveries[entry] then
        found[#found + 1] = entry
        deliveries[entry] = pending[4] + 1
      end
    end
    if #page < PAGE then
      return
    end
    from = '(' .. page[PAGE][1]
  end
end

collect(function(from)
  return redis.call('XPENDING', stream, group, from, '+', PAGE, nobody)
end)
if idle >= 0 then
  collect(function(from)
    return redis.call('XPENDING', stream, group, 'IDLE', idle, from, '+', PAGE)
  end)
end

local entries, counts, gone = {}, {}, {}
for _, entry in ipairs(found) do
  local claimed = redis.call('XCLAIM', stream, group, consumer, 0, entry)[1]
  if claimed then
    entries[#entries + 1] = claimed
    counts[#counts + 1] = deliveries[entry]
  else
    gone[#gone + 1] = entry
  end
end
return {entries, counts, gone}
