#!lua
-- Called by Celery::ask. Publishes a question to all workers and makes the list for their answers, if there are any.
-- KEYS: the list of answers
-- ARGV: channel, question, seconds after which the list is removed, should nobody do so before
-- Returns how many workers heard the question.
local heard = redis.call('PUBLISH', ARGV[1], ARGV[2])
if heard > 0 then
  -- An answer keeps the expiry of the list it comes to; one that comes too late is removed with the next question.
  redis.call('DEL', KEYS[1])
  redis.call('RPUSH', KEYS[1], '')
  redis.call('EXPIRE', KEYS[1], ARGV[3])
end
return heard
