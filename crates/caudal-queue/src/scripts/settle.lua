#!lua flags=allow-oom
-- Called by Queue::settle. Ends leases: each entry goes; its invoices leave the backlog and are counted in their batch's status,
-- but for those that wait for a retry; rejected ones become dead letters. Only a lease's owner changes anything, and only once:
-- afterwards the entry is gone. What is kept is written before the entry goes.
-- allow-oom: what frees memory must run when there is none.
-- KEYS: stream, backlog, dead, retry, deaths, shut, settled, then of each batch its status and its list of the rejected
-- ARGV: group, consumer, first and last entry, seconds to keep, most rejections listed, most dead letters, then of each lease
--       its entry and six numbers of four bytes: the place of its batch's status among the keys, its invoices, how many were
--       recorded, how many unchanged, how many are retried, how many lines are rejected; then of each retried its milliseconds to
--       wait and its new entry, and of each rejected line its position, invoices, attempts, number, code, detail and entry
-- Returns for each lease 1 when settled, 0 when it is not the consumer's (any more).
local FIRST_LEASE, LEASE, RETRIED, REJECTED = 8, 2, 2, 7
-- Locals: the loop would look these up in tables for every lease.
local KEYS, ARGV, call, numbers = KEYS, ARGV, redis.call, struct.unpack
local stream, backlog_key, dead, retry, deaths, shut, settled = unpack(KEYS, 1, 7)
local mine = owned(stream, ARGV[1], ARGV[2], ARGV[3], ARGV[4])
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local answer, ended, left, buried = {}, {}, 0, 0
-- By the place of a batch's status: what these leases add to it, and the lines that were rejected.
local places, recorded, unchanged, rejected, lines = {}, {}, {}, {}, {}

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
    rejected[place] = rejected[place] + ARGV[i + 1]
    listed[#listed + 1] = i
  end
  buried = buried + count
end

local at, last = FIRST_LEASE, #ARGV
while at <= last do
  local entry = ARGV[at]
  local place, count, new, same, retried, bad = numbers('>I4I4I4I4I4I4', ARGV[at + 1])
  at = at + LEASE
  if mine[entry] then
    mine[entry] = nil
    if not recorded[place] then
      places[#places + 1] = place
      recorded[place], unchanged[place], rejected[place] = 0, 0, 0
    end
    recorded[place] = recorded[place] + new
    unchanged[place] = unchanged[place] + same
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

local function list(listed, rejections)
  local room = tonumber(ARGV[6])
  room = room - call('HLEN', rejections)
  for i = 1, math.min(#listed, room) do
    local line = listed[i]
    call('HSET', rejections, ARGV[line],
      table.concat({ARGV[line + 1], ARGV[line + 3], ARGV[line + 4], ARGV[line + 5]}, '\0'))
  end
end

local keys = {}
for i, place in ipairs(places) do
  keys[i] = KEYS[place]
end
local finished = string.format('%.0f', now)
-- With EX Redis would write each command anew for its log.
local forgotten = string.format('%.0f', now + ARGV[5] * 1000)
for i, text in ipairs(call('MGET', unpack(keys))) do
  local place, status, rejections = places[i], keys[i], KEYS[places[i] + 1]
  local n, o, u, x, received, _, caller = parts_of(text)
  if n then
    o, u, x = o + recorded[place], u + unchanged[place], x + rejected[place]
    if lines[place] then
      list(lines[place], rejections)
    end
    if o + u + x >= tonumber(n) then
      set_status(status, n, o, u, x, received, finished, caller, 'PXAT', forgotten)
      if x > 0 then
        call('EXPIRE', rejections, ARGV[5])
      end
    else
      set_status(status, n, o, u, x, received, '0', caller)
    end
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
