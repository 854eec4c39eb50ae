#!lua
-- Called by Queue::admit. Takes one batch in, all of it or nothing.
-- Without flags Redis refuses the whole script at its memory limit, before the first command. Nothing is written before all that
-- can fail for another reason (a key of the wrong kind), and the idempotency key is written last.
-- KEYS: idempotency key, backlog, version, shut, stream, status of the batch
-- ARGV: ticket, count, most backlog, seconds to keep, caller, wake channel, then each chunk's entry without format and version
-- Returns 1 when taken in, the ticket of a known key, {backlog} when full.
local FIRST_CHUNK, FORMAT = 7, '\1'
local idem, backlog_key, version_key, shut, stream, status = unpack(KEYS)
local count, most = tonumber(ARGV[2]), tonumber(ARGV[3])

local values = redis.call('MGET', idem, backlog_key, version_key, shut)
if values[1] then
  return values[1]
end

-- MGET does not tell a key of the wrong kind from a missing one; GET does.
local backlog = tonumber(values[2] or redis.call('GET', backlog_key) or '0')
local last_version = tonumber(values[3] or redis.call('GET', version_key) or '0')
if values[4] or most == 0 or backlog + count > most then
  return {backlog}
end

local time = redis.call('TIME')
local version = math.max(time[1] * 1000000 + time[2], last_version + 1)
local received = string.format('%.0f', math.floor(version / 1000))
local head = FORMAT .. struct.pack('>I8', version)
local idle = redis.call('XLEN', stream) == 0

for i = FIRST_CHUNK, #ARGV do
  redis.call('XADD', stream, '*', 'e', head .. ARGV[i])
end

if count > 0 then
  redis.call('MSET', backlog_key, backlog + count, version_key, version + count - 1,
    status, ARGV[2] .. ' 0 0 0 ' .. received .. ' 0 ' .. ARGV[5])
else
  redis.call('SET', status, '0 0 0 0 ' .. received .. ' ' .. received .. ' ' .. ARGV[5], 'EX', ARGV[4])
end
redis.call('SET', idem, ARGV[1], 'EX', ARGV[4])
if idle and count > 0 then
  redis.call('PUBLISH', ARGV[6], '')
end
return 1
