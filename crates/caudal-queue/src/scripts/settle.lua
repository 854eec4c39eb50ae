#!lua flags=allow-oom
-- Called by Queue::settle. Ends leases: each entry goes; its invoices leave the backlog and are counted in their batch's status,
-- but for those that wait for a retry; rejected ones become dead letters. Only a lease's owner changes anything, and only once:
-- afterwards the entry is gone. What is kept is written before the entry goes.
-- allow-oom: what frees memory must run when there is none.
-- KEYS: stream, backlog, dead, retry, deaths, shut, settled, then the statuses of the batches
-- ARGV: group, consumer, first and last entry, seconds to keep, most rejections listed, most dead letters, what the key of a
--       batch's rejections begins with, then of each lease its entry and six numbers of four bytes: the place of its batch's
--       status among the keys, or 0 for the first that no lease before it has, its invoices, how many were recorded, how many
--       unchanged, how many are retried, how many lines are rejected; then of each retried its milliseconds to wait and its new
--       entry, and of each rejected line its position, invoices, attempts, number, code, detail and entry
-- Returns for each lease 1 when settled, 0 when it is not the consumer's (any more).
local FIRST_STATUS, FIRST_LEASE, LEASE, RETRIED, REJECTED, BATCH_ID = 8, 9, 2, 2, 7, 16
-- Locals: the loop would look these up in tables for every lease.
local KEYS, ARGV, call, numbers = KEYS, ARGV, redis.call, struct.unpack
local stream, backlog_key, dead, retry, deaths, shut, settled = unpack(KEYS, 1, 7)
local mine = owned(stream, ARGV[1], ARGV[2], ARGV[3], ARGV[4])
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local answer, ended, left, buried = {}, {}, 0, 0
-- By the place of a batch's status: what these leases add to it, and the lines that were rejected.
local recorded, unchanged, rejected, lines = {}, {}, {}, {}

local function retry_later(at, count)
  for i = at, at + (count - 1) * RETRIED, RETRIED do
    call('ZADD', retry, now + ARGV[i], ARGV[i + 1])
  end
end

local function bury(at, count, place)
  local listed = lines[place] or {}
  lines[place] = listed
  for i = at, at + (count - 1) * REJECTED, REJECTED do
    call('XADD', dead, '*', 'e', ARGV[i + 6], 'a', ARGV[i + 2], 'n', ARGV[i + 3], 'c', ARGV[i + 4], 'd', ARGV[i + 5])
    rejected[place] = (rejected[place] or 0) + ARGV[i + 1]
    listed[#listed + 1] = i
  end
  buried = buried + count
end

local at, last, next_place = FIRST_LEASE, #ARGV, FIRST_STATUS
-- Of many leases the numbers are the same: they are read once.
local packed, named, count, new, same, retried, bad
while at <= last do
  local entry = ARGV[at]
  if ARGV[at + 1] ~= packed then
    packed = ARGV[at + 1]
    named, count, new, same, retried, bad = numbers('>I4I4I4I4I4I4', packed)
  end
  local place = named
  if place == 0 then
    place, next_place = next_place, next_place + 1
  end
  at = at + LEASE
  if mine[entry] then
    mine[entry] = nil
    recorded[place] = (recorded[place] or 0) + new
    unchanged[place] = (unchanged[place] or 0) + same
    if retried > 0 then
      retry_later(at, retried)
    end
    if bad > 0 then
      bury(at + retried * RETRIED, bad, place)
    end
    left = left + count - retried
    ended[#ended + 1] = entry
    answer[#answer + 1] = 1
  else
    answer[#answer + 1] = 0
  end
  at = at + retried * RETRIED + bad * REJECTED
end
if #ended == 0 then
  return answer
end

-- Not among the keys: few batches have any, and naming a key costs. Its hash tag is theirs.
local function rejections_of(status_key)
  return ARGV[8] .. string.sub(status_key, -BATCH_ID)
end

local function list(listed, rejections)
  local room = tonumber(ARGV[6])
  room = room - call('HLEN', rejections)
  for i = 1, math.min(#listed, room) do
    local line = listed[i]
    call('HSET', rejections, ARGV[line],
      table.concat({ARGV[line + 1], ARGV[line + 3], ARGV[line + 4], ARGV[line + 5]}, '\0'))
  end
end

local finished = string.format('%.0f', now)
-- A status after so many more recorded, unchanged and rejected; where that finishes it, also how many were rejected in all.
local function with(status, new, same, bad)
  local n, o, u, x, received, _, caller = parts_of(status)
  if not n then
    return nil
  end
  o, u, x = o + new, u + same, x + bad
  if o + u + x >= tonumber(n) then
    return text_of(n, o, u, x, received, finished, caller), x
  end
  return text_of(n, o, u, x, received, '0', caller)
end

-- With EX Redis would write each command anew for its log.
local forgotten = string.format('%.0f', now + ARGV[5] * 1000)
local statuses = call('MGET', unpack(KEYS, FIRST_STATUS))
-- Small batches that came in the same millisecond have the same status: what becomes of it is worked out once.
local before, new, same, bad, after, all_bad
for place = FIRST_STATUS, #KEYS do
  local status = statuses[place - FIRST_STATUS + 1]
  if status ~= before or recorded[place] ~= new or unchanged[place] ~= same or rejected[place] ~= bad then
    before, new, same, bad = status, recorded[place], unchanged[place], rejected[place]
    after, all_bad = nil, nil
    if new then
      after, all_bad = with(status, new, same, bad or 0)
    end
  end
  if after and bad then
    list(lines[place], rejections_of(KEYS[place]))
  end
  if all_bad then
    call('SET', KEYS[place], after, 'PXAT', forgotten)
    if all_bad > 0 then
      call('EXPIRE', rejections_of(KEYS[place]), ARGV[5])
    end
  elseif after then
    call('SET', KEYS[place], after)
  end
end

if buried > 0 and call('XLEN', dead) >= tonumber(ARGV[7]) then
  call('SET', shut, '1')
end
if left > 0 and call('DECRBY', backlog_key, left) < 0 then
  call('SET', backlog_key, 0)
end
call('HDEL', deaths, unpack(ended))
call('XACK', stream, ARGV[1], unpack(ended))
call('XDEL', stream, unpack(ended))
if left > 0 then
  -- A count for the controller to learn from: damaged, it must not undo what has been settled.
  redis.pcall('INCRBY', settled, left)
end
return answer
