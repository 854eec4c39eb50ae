-- A batch's status is one text: how many invoices were received, recorded, unchanged and rejected, when it was received and finished
-- (ms, 0 for not yet), and the caller. Returns these seven, or nothing where there is no status.
local function parts_of(status)
  if status then
    return string.match(status, '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (.*)$')
  end
end

-- The text of these seven.
local function text_of(n, o, u, x, received, finished, caller)
  return string.format('%s %d %d %d %s %s %s', n, o, u, x, received, finished, caller)
end
