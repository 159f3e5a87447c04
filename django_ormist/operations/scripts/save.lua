-- Write one object, its index entries, its expiry and its counters, in one step.
--
-- KEYS     1 object (string)  2 all (sorted set)  3 expires (sorted set)
--          4 memos (hash)  5 counters (hash)
--          6.. sorted sets of the terms it loses, then of those it gains
-- ARGV     1 id  2 the bytes that must be stored now, "" for none  3 new bytes
--          4 deadline in ms, "" for none  5 memo, "" for none
--          6 number of terms lost  7 "1" if the old bytes had a deadline
--          8 most objects to sweep  9 "1" if the model is indexed
--          10 "1" if the model has counters  11.. counter names and values
-- RETURNS  1 written
--          {0, stored} the stored bytes are others (false: none are stored)
--          {2} no object, but index entries that nothing explains
--          {3} the deadline is past: nothing was written
--          {-1, key} the key holds another type: nothing was written
-- COST     O((terms + swept) log n)
-- DERIVED  what a memo names, for an object that expired and was not yet swept

local base = string.sub(KEYS[2], 1, -4)
local pk, deadline = ARGV[1], tonumber(ARGV[4])
local lost = tonumber(ARGV[6])

local wrong = mistyped(1, 1, 'string') or mistyped(2, 3, 'zset')
  or mistyped(4, 5, 'hash') or mistyped(6, #KEYS, 'zset')
if wrong then
  return {-1, wrong}
end

local stored = redis.call('GET', KEYS[1])
if (stored or '') ~= ARGV[2] or stored == '' then
  return {0, stored}
end
local now, now_us = clock()
if deadline and deadline <= now then
  return {3}
end

local created, memo, leftover = redis.call('ZSCORE', KEYS[2], pk), nil, false
if created and not stored then
  memo = redis.call('HGET', KEYS[4], pk)
  leftover = true
  if not memo and ARGV[9] == '1' and not redis.call('ZSCORE', KEYS[3], pk) then
    return {2}
  end
end
local is_new = not created or leftover
if is_new then
  created = digits(next_created(KEYS[2], now_us))
end

-- SET comes first: out of memory, it is the one that is refused, before any other.
if deadline then
  -- One ms early: a server keeps a key through the last ms, we end as it begins.
  redis.call('SET', KEYS[1], ARGV[3], 'PXAT', digits(deadline - 1))
else
  redis.call('SET', KEYS[1], ARGV[3])
end
if memo then
  unindex(base, pk, memo)
end
for i = 6, 5 + lost do
  redis.call('ZREM', KEYS[i], pk)
end
for i = 6 + lost, #KEYS do
  redis.call('ZADD', KEYS[i], created, pk)
end
if is_new then
  redis.call('ZADD', KEYS[2], created, pk)
end

local was_expiring = ARGV[7] == '1' or leftover
if deadline then
  redis.call('ZADD', KEYS[3], ARGV[4], pk)
elseif was_expiring then
  redis.call('ZREM', KEYS[3], pk)
end
if ARGV[5] ~= '' then
  redis.call('HSET', KEYS[4], pk, ARGV[5])
elseif was_expiring then
  redis.call('HDEL', KEYS[4], pk)
end

if ARGV[10] == '1' then
  if not stored then
    redis.call('DEL', KEYS[5])
  end
  for i = 11, #ARGV, 2 do
    redis.call('HSET', KEYS[5], ARGV[i], ARGV[i + 1])
  end
  if deadline then
    redis.call('PEXPIREAT', KEYS[5], digits(deadline - 1))
  elseif was_expiring then
    redis.call('PERSIST', KEYS[5])
  end
end

sweep(base, now, tonumber(ARGV[8]))
return 1
