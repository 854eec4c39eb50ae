#!lua flags=no-writes
-- Called by Stream::count, page after page. What is in the entries stays in Redis.
-- KEYS: stream
-- ARGV: the id to begin after, how many entries a page has
-- Returns {entries, the id of the last}.
local found = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])
return {#found, #found > 0 and found[#found][1] or ARGV[1]}
