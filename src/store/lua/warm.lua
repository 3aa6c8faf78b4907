-- Ends a cooldown for all instances. A mark stays for a while, by which the others learn that it ended before its time.
--
-- KEYS: cooldowns. ARGV: key, tombstone_ms. Answer: whether it was in force.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local until_ms = tonumber(string.match(redis.call('HGET', KEYS[1], ARGV[1]) or '', '^(%d+) ') or 0)
if until_ms <= now then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], 'w ' .. string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], math.max(redis.call('PTTL', KEYS[1]), tonumber(ARGV[2])))
return 1
