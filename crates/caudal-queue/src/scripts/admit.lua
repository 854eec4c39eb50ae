#!lua
-- Called by Queue::admit. Takes batches in, each whole or not at all, in their order.
-- Without flags Redis refuses the whole script at its memory limit, before the first command. All that can fail for another
-- reason (a key of the wrong kind) fails before or at the first write, and the idempotency keys are written last.
-- KEYS: backlog, version, shut, stream, then each batch's idempotency key and status
-- ARGV: most backlog, seconds to keep, wake channel, then of each batch its ticket, count, caller, number of chunks, and each
--       chunk's entry without format and version
-- Returns for each batch 1 when taken in, the ticket of a known key, {backlog} when full.
local FIRST_KEY, FIRST_BATCH, BATCH, FORMAT = 5, 4, 4, '\1'
local call, keys, args = redis.call, KEYS, ARGV
local backlog_key, version_key, shut, stream = keys[1], keys[2], keys[3], keys[4]
local most, seconds = tonumber(args[1]), args[2]

local wanted = {'MGET', backlog_key, version_key, shut}
for i = FIRST_KEY, #keys, 2 do
  wanted[#wanted + 1] = keys[i]
end
local values = call(unpack(wanted))
-- MGET does not tell a key of the wrong kind from a missing one; GET does.
local backlog = tonumber(values[1] or call('GET', backlog_key) or 0)
local version = tonumber(values[2] or call('GET', version_key) or 0) + 1
local open = not values[3] and most > 0

local time = call('TIME')
local now = time[1] * 1000000 + time[2]
if version < now then
  version = now
end
local idle = call('XLEN', stream) == 0

local answer, taken, counters = {}, {}, {'MSET', backlog_key, 0, version_key, 0}
local at, key, known = FIRST_BATCH, FIRST_KEY, 4
while at <= #args do
  local idem, chunks = keys[key], at + BATCH + args[at + 3] - 1
  local ticket = values[known] or taken[idem]
  if ticket then
    answer[#answer + 1] = ticket
  elseif not open or backlog + args[at + 1] > most then
    answer[#answer + 1] = {backlog}
  else
    local head = FORMAT .. struct.pack('>I8', version)
    for i = at + BATCH, chunks do
      call('XADD', stream, '*', 'e', head .. args[i])
    end
    local received = (version - version % 1000) / 1000
    if args[at + 1] ~= '0' then
      counters[#counters + 1] = keys[key + 1]
      counters[#counters + 1] = args[at + 1] .. ' 0 0 0 ' .. received .. ' 0 ' .. args[at + 2]
    else
      call('SET', keys[key + 1], '0 0 0 0 ' .. received .. ' ' .. received .. ' ' .. args[at + 2], 'EX', seconds)
    end
    backlog, version = backlog + args[at + 1], version + args[at + 1]
    taken[idem] = args[at]
    answer[#answer + 1] = 1
  end
  at, key, known = chunks + 1, key + 2, known + 1
end

if #counters > 5 then
  counters[3], counters[5] = backlog, version - 1
  call(unpack(counters))
end
for idem, ticket in pairs(taken) do
  call('SET', idem, ticket, 'EX', seconds)
end
if idle and #counters > 5 then
  call('PUBLISH', args[3], '')
end
return answer
