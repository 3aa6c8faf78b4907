-- Tells the other instances of this one, and reads what they told.
--
-- KEYS: instances, flights, cooldowns, spent, ends, applied, known; then gauges whose expiry is put off.
-- ARGV: instance, session, alive_ms, flight, sequence (0: nothing spent), tombstone_ms, most, how many cooldowns, and for
--       each: key, remaining_ms, step, reason; then for each that was spent: field, nanodollars, period_ms (0: for ever).
-- Answer: {2}: this server does not know the session; else {1, now_ms, instances, {flight...}, {key, until step reason...},
--         {key, warmed_at_ms...}, {field, nanodollars, ends_ms (0: never)...}}.
local me, session, alive_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
local tombstone_ms, most = tonumber(ARGV[6]), tonumber(ARGV[7])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function whole(number)
  return string.format('%.0f', number)
end

local known = string.match(redis.call('HGET', KEYS[1], me) or '', '^(%d+) ')
if known ~= session then
  return {2}
end
redis.call('HSET', KEYS[1], me, session .. ' ' .. whole(now))
redis.call('PEXPIRE', KEYS[1], alive_ms * 6)
redis.call('HSET', KEYS[2], me, ARGV[4])
redis.call('PEXPIRE', KEYS[2], alive_ms * 6)
redis.call('PEXPIRE', KEYS[7], 86400000)
for i = 8, #KEYS do
  redis.call('PEXPIRE', KEYS[i], 3600000)
end

-- Who is there.
local live, all = {}, redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local _, at = string.match(all[i + 1], '^(%d+) (%d+)$')
  if at and now - tonumber(at) <= alive_ms then
    live[all[i]] = true
  else
    redis.call('HDEL', KEYS[1], all[i])
  end
end
local instances, flights = 0, {}
all = redis.call('HGETALL', KEYS[2])
for i = 1, #all, 2 do
  if not live[all[i]] then
    redis.call('HDEL', KEYS[2], all[i])
  else
    instances = instances + 1
    if all[i] ~= me then
      flights[#flights + 1] = all[i + 1]
    end
  end
end

-- Cooldowns: an end only moves later.
local a = 9
for _ = 1, tonumber(ARGV[8]) do
  local key, ends = ARGV[a], now + tonumber(ARGV[a + 1])
  local theirs = redis.call('HGET', KEYS[3], key)
  local until_ms = tonumber(string.match(theirs or '', '^(%d+) ') or 0)
  if ends > until_ms and (theirs or redis.call('HLEN', KEYS[3]) < most) then
    redis.call('HSET', KEYS[3], key, whole(ends) .. ' ' .. ARGV[a + 2] .. ' ' .. ARGV[a + 3])
  end
  a = a + 4
end
local cooldowns, warmed, longest = {}, {}, 0
all = redis.call('HGETALL', KEYS[3])
for i = 1, #all, 2 do
  local key, value = all[i], all[i + 1]
  local until_ms = tonumber(string.match(value, '^(%d+) ') or 0)
  local warm_ms = tonumber(string.match(value, '^w (%d+)$') or 0)
  if until_ms > now then
    cooldowns[#cooldowns + 1] = key
    cooldowns[#cooldowns + 1] = value
    longest = math.max(longest, until_ms - now)
  elseif warm_ms + tombstone_ms > now then
    warmed[#warmed + 1] = key
    warmed[#warmed + 1] = whole(warm_ms)
    longest = math.max(longest, tombstone_ms)
  else
    redis.call('HDEL', KEYS[3], key)
  end
end
if longest > 0 then
  redis.call('PEXPIRE', KEYS[3], longest + 1000)
end

-- Spend: each sequence of an instance counts once, however often it is sent.
if ARGV[5] ~= '0' and redis.call('GET', KEYS[6]) ~= ARGV[5] then
  while a <= #ARGV do
    local field, nanos, period = ARGV[a], ARGV[a + 1], tonumber(ARGV[a + 2])
    local ends = redis.call('HGET', KEYS[5], field)
    if ends and ends ~= '0' and tonumber(ends) <= now then
      redis.call('HDEL', KEYS[4], field)
      ends = nil
    end
    if not ends and redis.call('HLEN', KEYS[5]) < most then
      ends = period == 0 and '0' or whole(now + period)
      redis.call('HSET', KEYS[5], field, ends)
    end
    if ends then
      redis.call('HINCRBY', KEYS[4], field, nanos)
    end
    a = a + 3
  end
  redis.call('SET', KEYS[6], ARGV[5], 'PX', 3600000)
end
local spent, ends, latest = {}, {}, 0
all = redis.call('HGETALL', KEYS[5])
for i = 1, #all, 2 do
  ends[all[i]] = all[i + 1]
end
all = redis.call('HGETALL', KEYS[4])
for i = 1, #all, 2 do
  local field, at = all[i], tonumber(ends[all[i]])
  if not at or (at ~= 0 and at <= now) then
    redis.call('HDEL', KEYS[4], field)
    redis.call('HDEL', KEYS[5], field)
  else
    local left = at == 0 and -1 or at - now
    spent[#spent + 1] = field
    spent[#spent + 1] = all[i + 1]
    spent[#spent + 1] = whole(at)
    latest = math.max(latest, left == -1 and 34560000000 or left + 1000)
  end
end
if latest > 0 then
  redis.call('PEXPIRE', KEYS[4], latest)
  redis.call('PEXPIRE', KEYS[5], latest)
end
return {1, now, instances, flights, cooldowns, warmed, spent}
