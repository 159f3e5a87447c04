-- Write one object that is moved here from other keys, unless it was moved before.
--
-- KEYS     1 object (string)  2 all (sorted set)  3 expires (sorted set)
--          4 memos (hash)  5 counters (hash)  6 journal of the move (hash)
--          7.. sorted sets of its terms; then of each ordered attribute that it has the
--          entries (sorted set) and the sort keys (hash); then the values of each
--          unique one that it has (hash)
-- ARGV     1 id  2 bytes  3 deadline in ms, "" for none  4 memo, "" for none
--          5 creation time in microseconds, "" if it is unknown
--          6 digest of the object  7 token of the run of the move
--          8 "1" if the model is indexed
--          9 number of terms  10 of ordered attributes  11 of unique ones
--          12.. its sort key of each ordered attribute, its value of each unique one;
--          then the name and the value of each counter
-- RETURNS  1 written, and noted in the journal
--          {0, stored} these other bytes, or other counters, are here under its id
--          {2} no such object, but index entries without a memo
--          {3} its deadline is past
--          {5, which, id} its unique value is held by this object
--          {8} it was moved before: the journal has it, or the same object is here.
--          It is noted in the journal, again: so replicas that have this write have the
--          object, too
--          {9} a later run of the move has begun
--          {-1, key} the key holds another type
--          TRYAGAIN keys of this slot are moving
--          Anything but 1 and 8: nothing was written
-- COST     O(entries log n)
-- DERIVED  the objects that hold unique values; what the memo of an expired one names

local pk, packed, deadline, memo = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local created, digest, token = tonumber(ARGV[5]), ARGV[6], ARGV[7]
local is_indexed = ARGV[8] == '1'
local terms, ordered, uniques = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local first_sort_key = 12
local first_value = first_sort_key + ordered
local first_counter = first_value + uniques

local base = string.sub(KEYS[2], 1, -4)
local first_ordered = 7 + terms
local first_unique = first_ordered + 2 * ordered
local now, now_us = clock()

if is_moving(base) then
  return TRY_AGAIN
end

-- INCLUDE same_counters

local wrong = mistyped(KEYS, 1, 1, 'string') or mistyped(KEYS, 2, 3, 'zset')
  or mistyped(KEYS, 4, 6, 'hash') or mistyped(KEYS, 7, 6 + terms, 'zset')
  or mistyped_ordered(KEYS, first_ordered, ordered)
  or mistyped(KEYS, first_unique, #KEYS, 'hash')
if wrong then
  return wrong
elseif redis.call('HGET', KEYS[6], 'token') ~= token then
  return {9}
end
local stored = redis.call('GET', KEYS[1])
if redis.call('HGET', KEYS[6], 'o:' .. pk) == digest
  or stored and stored == packed and has_counters(KEYS[5], first_counter) then
  redis.call('HSET', KEYS[6], 'o:' .. pk, digest)
  return {8}
elseif stored then
  return {0, stored}
elseif deadline and deadline <= now then
  return {3}
end
local was_created, old_memo = redis.call('ZSCORE', KEYS[2], pk), nil
if was_created then
  old_memo = redis.call('HGET', KEYS[4], pk)
  if not old_memo and is_indexed and not redis.call('ZSCORE', KEYS[3], pk) then
    return {2}
  end
end
for i = 0, uniques - 1 do
  local holder = redis.call('HGET', KEYS[first_unique + i], ARGV[first_value + i])
  if holder and holder ~= pk and redis.call('EXISTS', base .. 'o:' .. holder) == 1
    and not is_past(KEYS[3], holder) then
    return {5, i + 1, holder}
  end
end

local is_whole = created and created >= 0 and created < LAST_CREATED - 1000
  and created == math.floor(created)
local is_free = false
for _ = 1, is_whole and 1000 or 0 do
  is_free = redis.call('ZCOUNT', KEYS[2], digits(created), digits(created)) == 0
  if is_free then
    break
  end
  created = created + 1
end
created = digits(is_free and created or next_created(KEYS[2], now_us))

if deadline then
  -- One ms early: a server keeps a key through the last ms, ours ends as it begins.
  redis.call('SET', KEYS[1], packed, 'PXAT', digits(deadline - 1))
else
  redis.call('SET', KEYS[1], packed)
end
if old_memo then
  purge(base, pk, old_memo, was_created)
end
redis.call('ZADD', KEYS[2], created, pk)
for i = 7, 6 + terms do
  redis.call('ZADD', KEYS[i], created, pk)
end
for i = 0, ordered - 1 do
  local sort_key = ARGV[first_sort_key + i]
  redis.call('ZADD', KEYS[first_ordered + 2 * i], 0, entry(sort_key, created, pk))
  redis.call('HSET', KEYS[first_ordered + 2 * i + 1], pk, sort_key)
end
for i = 0, uniques - 1 do
  redis.call('HSET', KEYS[first_unique + i], ARGV[first_value + i], pk)
end
if deadline then
  redis.call('ZADD', KEYS[3], digits(deadline), pk)
else
  redis.call('ZREM', KEYS[3], pk)
end
if memo ~= '' then
  redis.call('HSET', KEYS[4], pk, memo)
else
  redis.call('HDEL', KEYS[4], pk)
end
redis.call('DEL', KEYS[5])
for i = first_counter, #ARGV, 2 do
  redis.call('HSET', KEYS[5], ARGV[i], ARGV[i + 1])
end
if deadline then
  redis.call('PEXPIREAT', KEYS[5], digits(deadline - 1))
end
redis.call('HSET', KEYS[6], 'o:' .. pk, digest)
return 1
