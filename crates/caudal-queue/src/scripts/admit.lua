#!lua
-- Called by Queue::admit. Takes batches in, each whole or not at all, in their order.
-- Without flags Redis refuses the whole script at its memory limit, before the first command. All that can fail for another
-- reason (a key of the wrong kind) fails before or at the first write, and the idempotency keys are written last.
-- KEYS: backlog, version, shut, stream, then each batch's idempotency key and status
-- ARGV: most backlog, seconds to keep, wake channel, then of each batch its ticket, count, caller, number of chunks, and each
--       chunk's entry without format and version
-- Returns for each batch 1 when taken in, the ticket of a known key, {backlog} when full.
local FIRST_KEY, FIRST_BATCH, BATCH, KNOWN, FORMAT = 5, 4, 4, 3, '\1'
-- Where an entry, without format and version, keeps its trace context.
local TRACE_LENGTH, TRACE = 12, 29
local call, keys, args = redis.call, KEYS, ARGV
local backlog_key, version_key, shut, stream = keys[1], keys[2], keys[3], keys[4]
local most = tonumber(args[1])

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
-- When what is kept for so many seconds is forgotten. With EX Redis would write each command anew for its log.
local forgotten = string.format('%d', (time[1] + args[2]) * 1000)
local received_at, received = 0, nil
-- What to publish: the time and the trace context of the first batch that brings work where there is none.
local idle, wake = call('XLEN', stream) == 0, nil

local answer, taken, counters, size = {}, {}, {'MSET', backlog_key, 0, version_key, 0}, 5
local at, batches = FIRST_BATCH, (#keys - FIRST_KEY + 1) / 2
for batch = 1, batches do
  local idem, status = keys[FIRST_KEY + 2 * batch - 2], keys[FIRST_KEY + 2 * batch - 1]
  local ticket, count, caller, first = args[at], args[at + 1], args[at + 2], at + BATCH
  local invoices = tonumber(count)
  local known = values[KNOWN + batch] or taken[idem]
  at = first + args[at + 3]
  if known then
    answer[batch] = known
  elseif not open or backlog + invoices > most then
    answer[batch] = {backlog}
  else
    local head = FORMAT .. struct.pack('>I8', version)
    if version - received_at >= 1000 then
      received_at = version - version % 1000
      received = string.format('%d', received_at / 1000)
    end
    for i = first, at - 1 do
      call('XADD', stream, '*', 'e', head .. args[i])
    end
    if invoices > 0 then
      if idle and not wake then
        wake = string.format('%d ', version) .. string.sub(args[first], TRACE, TRACE - 1 + string.byte(args[first], TRACE_LENGTH))
      end
      counters[size + 1], counters[size + 2] = status, count .. ' 0 0 0 ' .. received .. ' 0 ' .. caller
      size = size + 2
    else
      call('SET', status, '0 0 0 0 ' .. received .. ' ' .. received .. ' ' .. caller, 'PXAT', forgotten)
    end
    backlog, version = backlog + invoices, version + invoices
    taken[idem] = ticket
    answer[batch] = 1
  end
end

if size > 5 then
  counters[3], counters[5] = backlog, version - 1
  call(unpack(counters))
end
for idem, ticket in pairs(taken) do
  call('SET', idem, ticket, 'PXAT', forgotten)
end
if wake then
  call('PUBLISH', args[3], wake)
end
return answer
