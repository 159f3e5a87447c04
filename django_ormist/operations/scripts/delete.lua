-- Remove one object and every entry it has, in one step.
--
-- KEYS     1 object (string)  2 all (sorted set)  3 expires (sorted set)
--          4 memos (hash)  5 counters (hash)  6.. sorted sets of its terms; then of
--          each ordered attribute the entries (sorted set) and the sort keys (hash);
--          then the values of each unique one (hash)
-- ARGV     1 id  2 the bytes that must be stored now, "" for none
--          3 most objects to sweep  4 "1" if the model is indexed
--          5 number of terms  6 number of ordered attributes
--          7.. its value of each unique one
-- RETURNS  1 deleted
--          {0, stored} the stored bytes are others: nothing was deleted
--          {2} there was no such object; what was left of it is gone
--          {2, 1} no object, but index entries that nothing explains: they stay
--          {-1, key} the key holds another type: nothing was deleted
-- COST     O((entries + swept) log n)
-- DERIVED  what a memo names, for an object that expired and was not yet swept

local base = string.sub(KEYS[2], 1, -4)
local pk = ARGV[1]
local terms, ordered = tonumber(ARGV[5]), tonumber(ARGV[6])
local first_ordered = 6 + terms
local first_unique = first_ordered + 2 * ordered

local wrong = mistyped(1, 1, 'string') or mistyped(2, 3, 'zset')
  or mistyped(4, 5, 'hash') or mistyped(6, 5 + terms, 'zset')
  or mistyped_ordered(first_ordered, ordered) or mistyped(first_unique, #KEYS, 'hash')
if wrong then
  return wrong
end
local stored = redis.call('GET', KEYS[1])
if stored and (stored ~= ARGV[2] or stored == '') then
  return {0, stored}
end

local memo = redis.call('HGET', KEYS[4], pk)
local created = redis.call('ZSCORE', KEYS[2], pk)
redis.call('DEL', KEYS[1], KEYS[5])
if ARGV[4] == '1' and not stored and not memo and created
  and not redis.call('ZSCORE', KEYS[3], pk) then
  return {2, 1}
end
if memo then
  forget(base, pk, memo, created)
  redis.call('HDEL', KEYS[4], pk)
end
for i = 6, 5 + terms do
  redis.call('ZREM', KEYS[i], pk)
end
for i = first_ordered, first_unique - 1, 2 do
  local sort_key = redis.call('HGET', KEYS[i + 1], pk)
  if sort_key and created then
    redis.call('ZREM', KEYS[i], entry(sort_key, created, pk))
    redis.call('HDEL', KEYS[i + 1], pk)
  end
end
for i = first_unique, #KEYS do
  release(KEYS[i], ARGV[7 + i - first_unique], pk)
end
redis.call('ZREM', KEYS[2], pk)
redis.call('ZREM', KEYS[3], pk)
sweep(base, peek(KEYS[3], clock(), ARGV[3]))
return stored and 1 or {2}
