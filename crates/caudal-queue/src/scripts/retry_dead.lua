#!lua flags=allow-oom
-- Called by Queue::retry_dead. Puts dead letters back into the stream, with their versions and no attempts counted. Their batches
-- are not finished any more: the rejections leave the status, which loses its TTL.
-- allow-oom: moving them takes no more room.
-- KEYS: stream, backlog, dead, shut, then of each letter its batch's status and list of the rejected
-- ARGV: most dead letters, wake channel, then of each letter its id, position and invoices
-- Returns how many were moved; the others are dead letters no more.
local FIRST_STATUS, FIRST_LETTER = 5, 3
local stream, backlog_key, dead, shut = unpack(KEYS)
local idle = redis.call('XLEN', stream) == 0

local function reopen(status, rejections, position, invoices)
  local n, o, u, x, received, _, caller = parts_of(redis.call('GET', status))
  if not n then
    return
  end
  redis.call('SET', status, text_of(n, o, u, math.max(x - invoices, 0), received, '0', caller))
  redis.call('HDEL', rejections, position)
  redis.call('PERSIST', rejections)
end

local moved, invoices = 0, 0
local key = FIRST_STATUS
for i = FIRST_LETTER, #ARGV, 3 do
  local letter = redis.call('XRANGE', dead, ARGV[i], ARGV[i])[1]
  if letter then
    redis.call('XADD', stream, '*', 'e', letter[2][2])
    redis.call('XDEL', dead, ARGV[i])
    reopen(KEYS[key], KEYS[key + 1], ARGV[i + 1], ARGV[i + 2])
    moved, invoices = moved + 1, invoices + ARGV[i + 2]
  end
  key = key + 2
end
if moved == 0 then
  return 0
end
redis.call('INCRBY', backlog_key, invoices)
if redis.call('XLEN', dead) < tonumber(ARGV[1]) then
  redis.call('DEL', shut)
end
if idle then
  local time = redis.call('TIME')
  redis.call('PUBLISH', ARGV[2], string.format('%d', time[1] * 1000000 + time[2]))
end
return moved
