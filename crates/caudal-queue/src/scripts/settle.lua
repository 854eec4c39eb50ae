#!lua flags=allow-oom
-- Called by Queue::settle. Ends one lease: its entry goes, its invoices leave the backlog and are counted in the batch's status,
-- rejected ones become dead letters. Only the lease's owner changes anything, and only once: afterwards the entry is gone.
-- allow-oom: what frees memory must run when there is none.
-- KEYS: stream, backlog, status of the batch, dead
-- ARGV: group, consumer, entry, invoices, recorded, unchanged, batch, received, seconds to keep, most rejections kept,
--       then position, version, number, reason and payload of each rejected invoice
-- Returns 1 when settled, 0 when the lease is not the consumer's (any more).
local FIRST_REJECTED = 11
local stream, backlog_key, status, dead = unpack(KEYS)
local group, consumer, entry = ARGV[1], ARGV[2], ARGV[3]

local pending = redis.call('XPENDING', stream, group, entry, entry, 1)[1]
if not pending or pending[2] ~= consumer then
  return 0
end

redis.call('XACK', stream, group, entry)
redis.call('XDEL', stream, entry)
if redis.call('DECRBY', backlog_key, ARGV[4]) < 0 then
  redis.call('SET', backlog_key, 0)
end

for i = FIRST_REJECTED, #ARGV, 5 do
  redis.call('XADD', dead, '*', 'b', ARGV[7], 'i', ARGV[i], 'v', ARGV[i + 1], 'n', ARGV[i + 2], 'w', ARGV[i + 3],
    'p', ARGV[i + 4], 'r', ARGV[8])
end

if redis.call('EXISTS', status) == 0 then
  return 1
end
local recorded = redis.call('HINCRBY', status, 'o', ARGV[5])
local unchanged = redis.call('HINCRBY', status, 'u', ARGV[6])
local rejected = redis.call('HINCRBY', status, 'x', math.floor((#ARGV - FIRST_REJECTED + 1) / 5))
local kept = tonumber(redis.call('HGET', status, 'k') or '0')
local room = tonumber(ARGV[10]) - kept
local added = 0
for i = FIRST_REJECTED, #ARGV, 5 do
  if added < room then
    redis.call('HSET', status, 'x' .. ARGV[i], ARGV[i + 2] .. '\0' .. ARGV[i + 3])
    added = added + 1
  end
end
if added > 0 then
  redis.call('HSET', status, 'k', kept + added)
end
if recorded + unchanged + rejected >= tonumber(redis.call('HGET', status, 'n')) then
  local seconds, micros = unpack(redis.call('TIME'))
  redis.call('HSET', status, 'f', string.format('%.0f', seconds * 1000 + math.floor(micros / 1000)))
  redis.call('EXPIRE', status, ARGV[9])
end
return 1
