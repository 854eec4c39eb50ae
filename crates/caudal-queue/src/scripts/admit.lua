#!lua
-- Called by Queue::admit. Takes one batch in, all of it or nothing.
-- Without flags Redis refuses the whole script at its memory limit, before the first command. All that can fail for another
-- reason (a key of the wrong kind) is read before the first write, and the idempotency key is written last.
-- KEYS: idempotency key, backlog, dead, version, stream, status of the batch
-- ARGV: ticket, batch, count, most backlog, most dead, seconds to keep, caller, traceparent, wake channel,
--       then payload and count of each chunk
-- Returns {0, ticket} for a known key, {-1, backlog} when full, {1, first version} when taken in.
local FIRST_CHUNK = 10
local idem, backlog_key, dead, version_key, stream, status = unpack(KEYS)
local ticket, batch, count = ARGV[1], ARGV[2], tonumber(ARGV[3])

local known = redis.call('GET', idem)
if known then
  return {0, known}
end

local backlog = tonumber(redis.call('GET', backlog_key) or '0')
if backlog + count > tonumber(ARGV[4]) or redis.call('XLEN', dead) >= tonumber(ARGV[5]) then
  return {-1, backlog}
end

local seconds, micros = unpack(redis.call('TIME'))
local received = string.format('%.0f', seconds * 1000 + math.floor(micros / 1000))
local version = math.max(seconds * 1000000 + micros, tonumber(redis.call('GET', version_key) or '0') + 1)
local idle = redis.call('XLEN', stream) == 0

local position = 0
for i = FIRST_CHUNK, #ARGV, 2 do
  redis.call('XADD', stream, '*', 'p', ARGV[i], 'n', ARGV[i + 1], 'b', batch, 'i', position,
    'v', string.format('%.0f', version + position), 'r', received, 't', ARGV[8])
  position = position + tonumber(ARGV[i + 1])
end

redis.call('HSET', status, 'n', ARGV[3], 'r', received)
if ARGV[7] ~= '' then
  redis.call('HSET', status, 'c', ARGV[7])
end
if count > 0 then
  redis.call('SET', version_key, string.format('%.0f', version + count - 1))
  redis.call('INCRBY', backlog_key, ARGV[3])
else
  redis.call('HSET', status, 'f', received)
  redis.call('EXPIRE', status, ARGV[6])
end
redis.call('SET', idem, ticket, 'EX', ARGV[6])
if idle and count > 0 then
  redis.call('PUBLISH', ARGV[9], '')
end
return {1, string.format('%.0f', version)}
