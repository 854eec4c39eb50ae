#!lua flags=allow-oom
-- Called by Queue::settle. Ends leases: each entry goes; its invoices leave the backlog and are counted in their batch's status,
-- but for those that wait for a retry; rejected ones become dead letters. Only a lease's owner changes anything, and only once:
-- afterwards the entry is gone. What is kept is written before the entry goes.
-- allow-oom: what frees memory must run when there is none.
-- KEYS: stream, backlog, dead, retry, deaths, shut, then of each batch its status and its list of the rejected
-- ARGV: group, consumer, first and last entry, seconds to keep, most rejections listed, most dead letters, then of each lease
--       its entry, the place of its batch among the batches, its invoices, how many were recorded, how many unchanged,
--       how many are retried, how many lines are rejected; then of each retried its milliseconds to wait and its new entry, and
--       of each rejected line its position, invoices, attempts, number, code, detail and entry
-- Returns for each lease 1 when settled, 0 when it is not the consumer's (any more).
local FIRST_BATCH, FIRST_LEASE, LEASE, RETRIED, REJECTED = 7, 8, 7, 2, 7
local stream, backlog_key, dead, retry, deaths, shut = unpack(KEYS)
local mine = owned(stream, ARGV[1], ARGV[2], ARGV[3], ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local answer, ended, left, buried, counts = {}, {}, 0, 0, {}

local function retry_later(at, lines)
  for i = at, at + (lines - 1) * RETRIED, RETRIED do
    redis.call('ZADD', retry, now + ARGV[i], ARGV[i + 1])
  end
end

local function bury(at, lines, count)
  for i = at, at + (lines - 1) * REJECTED, REJECTED do
    redis.call('XADD', dead, '*', 'e', ARGV[i + 6], 'a', ARGV[i + 2], 'n', ARGV[i + 3], 'c', ARGV[i + 4], 'd', ARGV[i + 5])
    count.rejected = count.rejected + ARGV[i + 1]
    count.lines[#count.lines + 1] = i
  end
  buried = buried + lines
end

local at = FIRST_LEASE
while at <= #ARGV do
  local entry, batch, retried, rejected = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 5]), tonumber(ARGV[at + 6])
  if mine[entry] then
    mine[entry] = nil
    local count = counts[batch] or {recorded = 0, unchanged = 0, rejected = 0, lines = {}}
    counts[batch] = count
    count.recorded = count.recorded + ARGV[at + 3]
    count.unchanged = count.unchanged + ARGV[at + 4]
    retry_later(at + LEASE, retried)
    bury(at + LEASE + retried * RETRIED, rejected, count)
    left = left + ARGV[at + 2] - retried
    ended[#ended + 1] = entry
    answer[#answer + 1] = 1
  else
    answer[#answer + 1] = 0
  end
  at = at + LEASE + retried * RETRIED + rejected * REJECTED
end
if #ended == 0 then
  return answer
end

local function list(lines, rejections)
  local room = tonumber(ARGV[6])
  room = room - redis.call('HLEN', rejections)
  for i = 1, math.min(#lines, room) do
    local line = lines[i]
    redis.call('HSET', rejections, ARGV[line],
      table.concat({ARGV[line + 1], ARGV[line + 3], ARGV[line + 4], ARGV[line + 5]}, '\0'))
  end
end

local batches, keys = {}, {}
for batch in pairs(counts) do
  batches[#batches + 1] = batch
  keys[#keys + 1] = KEYS[FIRST_BATCH + 2 * batch]
end
local finished = string.format('%.0f', now)
for i, text in ipairs(redis.call('MGET', unpack(keys))) do
  local count, status, rejections = counts[batches[i]], keys[i], KEYS[FIRST_BATCH + 2 * batches[i] + 1]
  local n, o, u, x, received, _, caller = parts_of(text)
  if n then
    o, u, x = o + count.recorded, u + count.unchanged, x + count.rejected
    if #count.lines > 0 then
      list(count.lines, rejections)
    end
    if o + u + x >= tonumber(n) then
      set_status(status, n, o, u, x, received, finished, caller, 'EX', ARGV[5])
      if x > 0 then
        redis.call('EXPIRE', rejections, ARGV[5])
      end
    else
      set_status(status, n, o, u, x, received, '0', caller)
    end
  end
end

if buried > 0 and redis.call('XLEN', dead) >= tonumber(ARGV[7]) then
  redis.call('SET', shut, '1')
end
if left > 0 and redis.call('DECRBY', backlog_key, left) < 0 then
  redis.call('SET', backlog_key, 0)
end
redis.call('HDEL', deaths, unpack(ended))
redis.call('XACK', stream, ARGV[1], unpack(ended))
redis.call('XDEL', stream, unpack(ended))
return answer
