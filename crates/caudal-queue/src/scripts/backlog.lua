#!lua flags=no-writes
-- Called by Queue::backlog. One consistent look at how much work there is. A queue nobody has used yet is empty.
-- KEYS: backlog, stream, dead
-- ARGV: group, nobody
-- Returns {invoices, chunks, chunks in flight, consumers with chunks in flight, dead letters}.
local backlog_key, stream, dead = unpack(KEYS)
local group, nobody = ARGV[1], ARGV[2]

local pending = redis.pcall('XPENDING', stream, group)
if pending['err'] then
  if not string.find(pending['err'], '^NOGROUP') then
    return pending
  end
  pending = {0}
end

local in_flight, busy = pending[1], 0
for _, consumer in ipairs(pending[4] or {}) do
  if consumer[1] == nobody then
    in_flight = in_flight - consumer[2]
  else
    busy = busy + 1
  end
end
local backlog = tonumber(redis.call('GET', backlog_key) or '0')
return {backlog, redis.call('XLEN', stream), in_flight, busy, redis.call('XLEN', dead)}
