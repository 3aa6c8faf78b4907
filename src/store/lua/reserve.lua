-- Takes from several limits at once, or from none.
--
-- KEYS: instances, settling; then two for each charge (a window: order and amounts; a gauge: its hash, twice).
-- ARGV: instance, session, alive_ms; then for each charge: kind (w, g), limit, amount, length_ms, step_ms, one_always.
-- Answer: {2}: this server does not know the session. {3}: it is new, and other instances have not handed in yet. {0, index, wait_ms or -1, used}: no room. {1, now_ms, used...}.
--
-- A window is a sorted set of buckets by their latest instant, a hash of what each bucket holds, and under `t` their sum.
local me, session, alive_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local mine = redis.call('HGET', KEYS[1], me)
local known, heard = string.match(mine or '', '^(%d+) (%d+)$')
if known ~= session then
  return {2}
end
local awaited = redis.call('GET', KEYS[2])
if awaited then
  if redis.call('HLEN', KEYS[1]) < tonumber(awaited) then
    return {3}
  end
  redis.call('DEL', KEYS[2])
end

local function sum_of(amounts, members, from, to)
  local sum = 0
  for _, amount in ipairs(redis.call('HMGET', amounts, unpack(members, from, to))) do
    sum = sum + (tonumber(amount or 0) or 0)
  end
  return sum
end

-- Removes what is past, and returns what is left.
local function used_of_window(order, amounts, length)
  local past = redis.call('ZRANGEBYSCORE', order, '-inf', now - length)
  for from = 1, #past, 500 do
    local to = math.min(from + 499, #past)
    local freed = sum_of(amounts, past, from, to)
    redis.call('HDEL', amounts, unpack(past, from, to))
    redis.call('ZREM', order, unpack(past, from, to))
    redis.call('HINCRBY', amounts, 't', -freed)
  end
  local used = tonumber(redis.call('HGET', amounts, 't') or 0) or 0
  if used ~= 0 and redis.call('ZCARD', order) == 0 then
    -- One of the two was evicted: what is counted can never be given back.
    redis.call('DEL', amounts)
    used = 0
  end
  return math.max(used, 0)
end

local function used_of_gauge(gauge)
  local used = 0
  local all = redis.call('HGETALL', gauge)
  for i = 1, #all, 2 do
    local instance = all[i]
    if instance == me then
      used = used + tonumber(all[i + 1])
    else
      local _, at = string.match(redis.call('HGET', KEYS[1], instance) or '', '^(%d+) (%d+)$')
      if at and now - tonumber(at) <= alive_ms then
        used = used + tonumber(all[i + 1])
      else
        redis.call('HDEL', gauge, instance)
      end
    end
  end
  return used
end

-- How long until `need` is given back.
local function wait_of(order, amounts, length, need)
  local from, latest = 0, nil
  while true do
    local batch = redis.call('ZRANGE', order, from, from + 99, 'WITHSCORES')
    if #batch == 0 then
      return latest and latest + length - now or length
    end
    for i = 1, #batch, 2 do
      latest = tonumber(batch[i + 1])
      need = need - (tonumber(redis.call('HGET', amounts, batch[i]) or 0) or 0)
      if need <= 0 then
        return latest + length - now
      end
    end
    from = from + 100
  end
end

local used, taken = {}, {}
for i = 0, (#ARGV - 3) / 6 - 1 do
  local a, first, second = 3 + i * 6, KEYS[3 + i * 2], KEYS[4 + i * 2]
  local limit, amount, length = tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4])
  local before = taken[first] or 0
  if ARGV[a + 1] == 'w' then
    local total = used_of_window(first, second, length) + before
    local always = ARGV[a + 6] == '1' and limit > 0
    if total + amount > limit and not (always and total == 0) then
      local need = total + amount - limit
      if need > total then
        need = total
      end
      local wait = wait_of(first, second, length, need)
      if wait > length then
        -- The server's clock was set back: what lies in the future is forgotten, or it would never end.
        for _, member in ipairs(redis.call('ZRANGEBYSCORE', first, now + 1, '+inf', 'LIMIT', 0, 5000)) do
          redis.call('HINCRBY', second, 't', -(tonumber(redis.call('HGET', second, member) or 0) or 0))
          redis.call('HDEL', second, member)
          redis.call('ZREM', first, member)
        end
        wait = 1
      end
      return {0, i, math.max(wait, 1), total}
    end
    used[i + 1] = total + amount
  else
    local total = used_of_gauge(first) + before
    if total + amount > limit then
      return {0, i, -1, total}
    end
    used[i + 1] = total + amount
  end
  taken[first] = before + amount
end

for i = 0, (#ARGV - 3) / 6 - 1 do
  local a, first, second = 3 + i * 6, KEYS[3 + i * 2], KEYS[4 + i * 2]
  local amount, length, step = ARGV[a + 3], tonumber(ARGV[a + 4]), tonumber(ARGV[a + 5])
  if amount ~= '0' then
    if ARGV[a + 1] == 'w' then
      local member = string.format('%.0f:%s', math.floor(now / step), me)
      redis.call('HINCRBY', second, member, amount)
      redis.call('HINCRBY', second, 't', amount)
      redis.call('ZADD', first, now, member)
      redis.call('PEXPIRE', first, length + 1000)
      redis.call('PEXPIRE', second, length + 1000)
    else
      redis.call('HINCRBY', first, me, amount)
      redis.call('PEXPIRE', first, 3600000)
    end
  end
end

if now - tonumber(heard) > 1000 then
  redis.call('HSET', KEYS[1], me, session .. ' ' .. string.format('%.0f', now))
  redis.call('PEXPIRE', KEYS[1], alive_ms * 6)
end
table.insert(used, 1, now)
table.insert(used, 1, 1)
return used
