#!lua flags=allow-oom
-- Called by Queue::check. Counts the invoices of one page of the stream, and after its last page those to be retried. Puts the
-- backlog right at the end, if asked to and if nothing has left the stream since the first page.
-- allow-oom: a wrong number may be why nothing drains.
-- KEYS: stream, retry, backlog, dead, shut
-- ARGV: page's start, page's size, invoices counted before, entries that had left the stream at the first page ('' there),
--       1 to repair, most dead letters
-- Returns {next page's start or false, invoices counted, entries that have left the stream, backlog as it was}.
local stream, retry, backlog_key, dead, shut = unpack(KEYS)
local size, counted = tonumber(ARGV[2]), tonumber(ARGV[3])

local function invoices(entry)
  return #entry >= 17 and struct.unpack('>I4', entry, 14) or 0
end

local gone = 0
if redis.call('EXISTS', stream) == 1 then
  local info = redis.call('XINFO', 'STREAM', stream)
  for i = 1, #info, 2 do
    if info[i] == 'entries-added' then
      gone = gone + info[i + 1]
    elseif info[i] == 'length' then
      gone = gone - info[i + 1]
    end
  end
end

local page = redis.call('XRANGE', stream, ARGV[1], '+', 'COUNT', size)
for _, entry in ipairs(page) do
  local fields = entry[2]
  if #fields == 2 and fields[1] == 'e' then
    counted = counted + invoices(fields[2])
  end
end
local stated = redis.call('GET', backlog_key) or '0'
if #page == size then
  return {'(' .. page[size][1], counted, gone, stated}
end

for _, entry in ipairs(redis.call('ZRANGE', retry, 0, -1)) do
  counted = counted + invoices(entry)
end
if ARGV[5] == '1' and (ARGV[4] == '' or tonumber(ARGV[4]) == gone) then
  redis.call('SET', backlog_key, counted)
  if redis.call('XLEN', dead) >= tonumber(ARGV[6]) then
    redis.call('SET', shut, '1')
  else
    redis.call('DEL', shut)
  end
end
return {false, counted, gone, stated}
