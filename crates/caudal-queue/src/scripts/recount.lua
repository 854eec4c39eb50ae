#!lua flags=allow-oom
-- Called by Queue::check. Counts the invoices of one page: first of those to be retried, then of the stream. Puts the backlog right at
-- the end, if asked to, if nothing has left either since the first page (what is moved from one to the other leaves the one), and if
-- no entry is of a newer program: how many invoices such a one holds is not known here.
-- allow-oom: a wrong number may be why nothing drains.
-- KEYS: stream, retry, backlog, dead, shut
-- ARGV: how many retries have been counted, or '' for all; where the stream's page begins; a page's size; invoices counted
--       before; what had left at the first page ('' there); 1 to repair; most dead letters; newer entries found before
-- Returns {retries counted, or false once all are; where the stream's next page begins, or false at the end; invoices counted; what
-- has left; backlog as it was, -1 if it was no number; newer entries found}.
local stream, retry, backlog_key, dead, shut = unpack(KEYS)
local passed, start, size, counted = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])

local newer = tonumber(ARGV[8])
-- The format that is known; how long an entry without trace context and payload is, and where it keeps the former's length.
local FORMAT, HEAD, TRACE_LENGTH = 1, 37, 21

-- What leasing would count: 0 for what no admission wrote.
local function invoices(entry)
  local format = string.byte(entry) or 0
  if format > FORMAT then
    newer = newer + 1
  elseif format == FORMAT and #entry >= HEAD and #entry >= HEAD + string.byte(entry, TRACE_LENGTH) then
    return (struct.unpack('>I4', entry, 14))
  end
  return 0
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
-- What comes to the retries has left the stream, so their number alone tells whether one has left them.
local left = string.format('%d %d', gone, redis.call('ZCOUNT', retry, '-inf', '+inf'))
local stated = redis.call('GET', backlog_key) or '0'
if not string.find(stated, '^-?%d+$') or #stated > 18 then
  stated = '-1'
end

if passed then
  local page = redis.call('ZRANGE', retry, passed, passed + size - 1)
  for _, entry in ipairs(page) do
    counted = counted + invoices(entry)
  end
  if #page == size then
    return {passed + size, start, counted, left, stated, newer}
  end
end

local page = redis.call('XRANGE', stream, start, '+', 'COUNT', size)
for _, entry in ipairs(page) do
  local fields = entry[2]
  if #fields == 2 and fields[1] == 'e' then
    counted = counted + invoices(fields[2])
  end
end
if #page == size then
  return {false, '(' .. page[size][1], counted, left, stated, newer}
end

if ARGV[6] == '1' and (ARGV[5] == '' or ARGV[5] == left) and newer == 0 then
  redis.call('SET', backlog_key, counted)
  if redis.call('XLEN', dead) >= tonumber(ARGV[7]) then
    redis.call('SET', shut, '1')
  else
    redis.call('DEL', shut)
  end
end
return {false, false, counted, left, stated, newer}
