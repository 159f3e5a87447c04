-- Write one object, its index entries, its expiry and its counters, in one step.
--
-- KEYS     1 object (string)  2 all (sorted set)  3 expires (sorted set)
--          4 memos (hash)  5 counters (hash)
--          6.. sorted sets of the terms it loses, then of those it gains; then of
--          each ordered attribute that changes the entries (sorted set) and the sort
--          keys (hash); then the values of each unique one that changes (hash)
-- ARGV     1 id  2 the bytes that must be stored now, "" for none  3 new bytes
--          4 deadline in ms, "" for none  5 memo, "" for none
--          6 "1" if the old bytes had a deadline
--          7 most objects to sweep  8 "1" if the model is indexed
--          9 "1" if the model has counters
--          10 number of terms lost  11 of terms gained  12 of ordered attributes
--          13 of unique ones
--          14.. a sort key for each ordered attribute, "" for none; then for each
--          unique one the old and the new value, "" for none; then counter names
--          and values
-- RETURNS  1 written
--          {0, stored} the stored bytes are others (false: none are stored)
--          {2} no object, but index entries that nothing explains
--          {3} the deadline is past: nothing was written
--          {5, number, id} that unique value is held by this object
--          {-1, key} the key holds another type: nothing was written
-- COST     O((entries + swept) log n)
-- DERIVED  the objects that hold unique values; what a memo names, for an object that
--          expired and was not yet swept

local base = string.sub(KEYS[2], 1, -4)
local pk, deadline = ARGV[1], tonumber(ARGV[4])
local lost, gained = tonumber(ARGV[10]), tonumber(ARGV[11])
local ordered, uniques = tonumber(ARGV[12]), tonumber(ARGV[13])
local first_ordered = 6 + lost + gained
local first_unique = first_ordered + 2 * ordered

local stored = redis.pcall('GET', KEYS[1])
if type(stored) == 'table' then
  return refusal(stored, KEYS[1], 'string')
elseif (stored or '') ~= ARGV[2] or stored == '' then
  return {0, stored}
end
local now, now_us = clock()
if deadline and deadline <= now then
  return {3}
end

-- Every call costs: what is read anyway says by itself if its key has another type.
local was_created, memo = redis.pcall('ZSCORE', KEYS[2], pk), nil
if type(was_created) == 'table' then
  return refusal(was_created, KEYS[2], 'zset')
end
local due = peek(KEYS[3], now, ARGV[7])
if due['err'] then
  return refusal(due, KEYS[3], 'zset')
end
local leftover = was_created and not stored
local was_expiring = ARGV[6] == '1' or leftover
local wrong = (deadline or was_expiring or #due > 0) and mistyped(4, 4, 'hash')
  or ARGV[9] == '1' and mistyped(5, 5, 'hash')
  or mistyped(6, 5 + lost, 'zset') or mistyped_ordered(first_ordered, ordered)
  or mistyped(first_unique, #KEYS, 'hash')
if wrong then
  return wrong
end
if leftover then
  memo = redis.call('HGET', KEYS[4], pk)
  if not memo and ARGV[8] == '1' and not redis.call('ZSCORE', KEYS[3], pk) then
    return {2}
  end
end
local next_arg = 14 + ordered
for i = 0, uniques - 1 do
  local field = ARGV[next_arg + 2 * i + 1]
  local holder = field ~= '' and redis.call('HGET', KEYS[first_unique + i], field)
  if holder and holder ~= pk
    and redis.call('EXISTS', base .. 'o:' .. holder) == 1 then
    return {5, i + 1, holder}
  end
end
local is_new = not stored or not was_created
local created = was_created
if is_new then
  created = digits(next_created(KEYS[2], now_us))
end

-- These come first, and are taken back, so that none needs to be asked for its type
-- before. Out of memory, the first write of a script is refused, and no later one.
for i = 6 + lost, 5 + lost + gained do
  local added = redis.pcall('ZADD', KEYS[i], created, pk)
  if type(added) == 'table' then
    for j = 6 + lost, i - 1 do
      redis.call('ZREM', KEYS[j], pk)
    end
    return refusal(added, KEYS[i], 'zset')
  end
end
if deadline then
  -- One ms early: a server keeps a key through the last ms, we end as it begins.
  redis.call('SET', KEYS[1], ARGV[3], 'PXAT', digits(deadline - 1))
else
  redis.call('SET', KEYS[1], ARGV[3])
end
if memo then
  forget(base, pk, memo, was_created)
end
for i = 6, 5 + lost do
  redis.call('ZREM', KEYS[i], pk)
end
if is_new then
  redis.call('ZADD', KEYS[2], created, pk)
end
for i = 0, ordered - 1 do
  local entries, sort_keys = KEYS[first_ordered + 2 * i], KEYS[first_ordered + 2 * i + 1]
  local was, sort_key = redis.call('HGET', sort_keys, pk), ARGV[14 + i]
  if was and was_created then
    redis.call('ZREM', entries, entry(was, was_created, pk))
  end
  if sort_key ~= '' then
    redis.call('ZADD', entries, 0, entry(sort_key, created, pk))
    redis.call('HSET', sort_keys, pk, sort_key)
  elseif was then
    redis.call('HDEL', sort_keys, pk)
  end
end
for i = 0, uniques - 1 do
  local was, field = ARGV[next_arg + 2 * i], ARGV[next_arg + 2 * i + 1]
  if was ~= '' then
    release(KEYS[first_unique + i], was, pk)
  end
  if field ~= '' then
    redis.call('HSET', KEYS[first_unique + i], field, pk)
  end
end

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

if ARGV[9] == '1' then
  if not stored then
    redis.call('DEL', KEYS[5])
  end
  for i = next_arg + 2 * uniques, #ARGV, 2 do
    redis.call('HSET', KEYS[5], ARGV[i], ARGV[i + 1])
  end
  if deadline then
    redis.call('PEXPIREAT', KEYS[5], digits(deadline - 1))
  elseif was_expiring then
    redis.call('PERSIST', KEYS[5])
  end
end

if leftover then
  due = peek(KEYS[3], now, ARGV[7])  -- it was among them itself
end
sweep(base, due)
return 1
