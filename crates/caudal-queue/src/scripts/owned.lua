-- The entries from the first to the last that this consumer still owns, each with its number of deliveries.
local function owned(stream, group, consumer, first, last)
  local deliveries = {}
  for _, pending in ipairs(redis.call('XPENDING', stream, group, first, last, 100000, consumer)) do
    deliveries[pending[1]] = pending[4]
  end
  return deliveries
end
