#!lua flags=no-writes
-- Called by Celery::delivered, page after page. What is in the messages stays in Redis.
-- KEYS: the hash of messages that are delivered and not acknowledged
-- ARGV: cursor, how many messages a page has, the queues' names
-- Returns {the next cursor, messages of this page that may be of these queues}.
local ours = {}
for i = 3, #ARGV do
  ours[ARGV[i]] = true
end

local cursor, page = unpack(redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2]))
local count = 0
for i = 2, #page, 2 do
  -- [message, exchange, routing key]: without an exchange the key is the queue's name; otherwise, or where it is escaped, nobody knows.
  local queue = string.match(string.sub(page[i], -1100), '}, "", "([^"\\]*)"%]$')
  if not queue or ours[queue] then
    count = count + 1
  end
end
return {cursor, count}
