#!lua flags=no-writes
-- Called by Queue::backlog. One consistent look at how much work there is. A queue nobody has used yet is empty.
-- KEYS: backlog, stream, dead, retry, paused, settled
-- ARGV: group, nobody, milliseconds after which a silent consumer is dead (-1: the silent may live)
-- Returns {invoices, chunks, chunks in flight, living consumers with chunks in flight, dead letters, retries not due yet,
-- when the first of these is due (ms) or false, the oldest entry's id or false, 1 while paused,
-- invoices that ever left the backlog}. A count that is none is an error: no number is made of it.
local backlog_key, stream, dead, retry, paused, settled = unpack(KEYS)
local group, nobody, dead_after = ARGV[1], ARGV[2], tonumber(ARGV[3])

local function held_in(key, remedy)
  local held = redis.call('GET', key) or '0'
  local count = tonumber(held)
  -- Above 2^53 Lua counts no more.
  if count and count >= 0 and count <= 9007199254740992 and count % 1 == 0 then
    return count
  end
  return nil, redis.error_reply('ERR ' .. key .. ' holds no count: ' .. remedy)
end

local backlog, broken = held_in(backlog_key, 'caudal queue check --repair')
if broken then
  return broken
end
local left, broken = held_in(settled, 'remove it, and it counts from 0 again')
if broken then
  return broken
end

local pending = redis.pcall('XPENDING', stream, group)
if pending['err'] then
  if not string.find(pending['err'], '^NOGROUP') then
    return pending
  end
  pending = {0}
end

local in_flight, busy = pending[1], 0
for _, info in ipairs(in_flight > 0 and redis.call('XINFO', 'CONSUMERS', stream, group) or {}) do
  local consumer = {}
  for i = 1, #info, 2 do
    consumer[info[i]] = info[i + 1]
  end
  if consumer.name == nobody then
    in_flight = in_flight - consumer.pending
  elseif consumer.pending > 0 and (dead_after < 0 or consumer.idle < dead_after) then
    busy = busy + 1
  end
end

local time = redis.call('TIME')
local after = '(' .. string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local retries = redis.call('ZCOUNT', retry, after, '+inf')
local next_due = redis.call('ZRANGE', retry, after, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')[2] or false
local oldest = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]

return {backlog, redis.call('XLEN', stream), in_flight, busy, redis.call('XLEN', dead), retries, next_due,
  oldest and oldest[1] or false, redis.call('EXISTS', paused), left}
