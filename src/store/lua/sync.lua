-- Hands in what this instance holds, after it connected: the server may be new, or have lost its data. Everything is set,
-- not added, so doing it twice is doing it once.
--
-- KEYS: instances, spent, ends, settling, known; then two for each limit, as in reserve.lua.
-- ARGV: instance, session, stage (`first`, `more`, `last`, `only`), alive_ms, how many instances there were, and how many spent entries follow: field,
--       nanodollars, ends_ms (0: never). Then for each limit: `g` and what is held; or `w`, length_ms, how many buckets,
--       and for each: its number, its latest instant, its amount.
-- Answer: now_ms.
local me, session, stage, alive_ms = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Until the last stage nothing else of this instance is taken, also what an earlier connection left in its buffers.
if stage == 'first' or stage == 'only' then
  redis.call('HDEL', KEYS[1], me)
  if redis.call('EXISTS', KEYS[5]) == 0 then
    -- The server is new. For two seconds at most nothing is granted, until all who were there have handed in.
    redis.call('SET', KEYS[5], '1', 'PX', 86400000)
    if tonumber(ARGV[5]) > 1 then
      redis.call('SET', KEYS[4], ARGV[5], 'PX', 2000)
    end
  end
end

local a = 7
for _ = 1, tonumber(ARGV[6]) do
  local field, nanos, ends = ARGV[a], ARGV[a + 1], ARGV[a + 2]
  local theirs = redis.call('HGET', KEYS[3], field)
  local over = ends ~= '0' and tonumber(ends) <= now
  if not over and (not theirs or theirs == ends) then
    if tonumber(redis.call('HGET', KEYS[2], field) or 0) < tonumber(nanos) then
      redis.call('HSET', KEYS[2], field, nanos)
    end
    redis.call('HSET', KEYS[3], field, ends)
    redis.call('PEXPIRE', KEYS[2], 34560000000)
    redis.call('PEXPIRE', KEYS[3], 34560000000)
  end
  a = a + 3
end

local k = 6
while a <= #ARGV do
  local first, second = KEYS[k], KEYS[k + 1]
  if ARGV[a] == 'g' then
    if ARGV[a + 1] == '0' then
      redis.call('HDEL', first, me)
    else
      redis.call('HSET', first, me, ARGV[a + 1])
      redis.call('PEXPIRE', first, 3600000)
    end
    a = a + 2
  else
    local length, count = tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2])
    local known = {}
    a = a + 3
    for _ = 1, count do
      known[ARGV[a] .. ':' .. me] = true
      local latest, amount = math.min(tonumber(ARGV[a + 1]), now), tonumber(ARGV[a + 2])
      if latest + length > now then
        local member = ARGV[a] .. ':' .. me
        local theirs = tonumber(redis.call('HGET', second, member) or 0)
        redis.call('HSET', second, member, string.format('%.0f', amount))
        redis.call('HINCRBY', second, 't', string.format('%.0f', amount - theirs))
        redis.call('ZADD', first, latest, member)
      end
      a = a + 3
    end
    -- What is not known was taken just now, by what an earlier connection left in its buffers: nobody got an answer.
    for _, member in ipairs(redis.call('ZRANGEBYSCORE', first, now - 10000, '+inf')) do
      if string.sub(member, -#me - 1) == ':' .. me and not known[member] then
        local amount = tonumber(redis.call('HGET', second, member) or 0)
        redis.call('HINCRBY', second, 't', string.format('%.0f', -amount))
        redis.call('HDEL', second, member)
        redis.call('ZREM', first, member)
      end
    end
    redis.call('PEXPIRE', first, length + 1000)
    redis.call('PEXPIRE', second, length + 1000)
  end
  k = k + 2
end

if stage == 'last' or stage == 'only' then
  redis.call('HSET', KEYS[1], me, session .. ' ' .. string.format('%.0f', now))
  redis.call('PEXPIRE', KEYS[1], alive_ms * 6)
end
return now
