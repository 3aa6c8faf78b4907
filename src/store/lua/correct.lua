-- Corrects what this instance took before. What is past stays past, and nothing goes below zero.
--
-- KEYS: instances; then two for each correction, as in reserve.lua.
-- ARGV: instance, session; then for each correction: kind (w, g), change, at_ms, length_ms, step_ms.
-- Answer: {2}: this server does not know the session; {1}: done.
local me, session = ARGV[1], ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local known = string.match(redis.call('HGET', KEYS[1], me) or '', '^(%d+) ')
if known ~= session then
  return {2}
end

for i = 0, (#ARGV - 2) / 5 - 1 do
  local a, first, second = 2 + i * 5, KEYS[2 + i * 2], KEYS[3 + i * 2]
  local change, at = tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3])
  if ARGV[a + 1] == 'w' then
    local length, step = tonumber(ARGV[a + 4]), tonumber(ARGV[a + 5])
    local member = string.format('%.0f:%s', math.floor(at / step), me)
    local amount = redis.call('HGET', second, member)
    if amount and at + length > now then
      local difference = math.max(tonumber(amount) + change, 0) - tonumber(amount)
      redis.call('HINCRBY', second, member, string.format('%.0f', difference))
      redis.call('HINCRBY', second, 't', string.format('%.0f', difference))
    end
  else
    local held = math.max(tonumber(redis.call('HGET', first, me) or 0) + change, 0)
    if held == 0 then
      redis.call('HDEL', first, me)
    else
      redis.call('HSET', first, me, string.format('%.0f', held))
      redis.call('PEXPIRE', first, 3600000)
    end
  end
end
return {1}
