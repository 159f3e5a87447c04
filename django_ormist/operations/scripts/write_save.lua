-- Write one save, after check_save.lua, whose locals it uses.
--
-- KEYS     those of save.lua
-- ARGV     those of save.lua
-- RETURNS  a refusal of save.lua, if the key of a new term holds another type
-- COST     O(entries log n)
-- DERIVED  what a memo names, for an object that expired and was not yet swept
--
-- It needs `is_anew`: whether the object is created anew though it exists; then it gains
-- all its terms and ordered values.

local is_new = is_anew or not stored or not was_created
local created = was_created
if is_new then
  -- DEFINE next_created
  local _, now_us = clock()
  created = next_created(KEYS[2], now_us)
end

-- These come first and are undone on failure, so that their types need no check before.
-- Out of memory, the first write of a script is refused, and no later one.
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
  if is_lifetime then
    -- DEFINE with_deadline
    packed = with_deadline(packed, deadline)
  end
  -- One ms early: a server keeps a key through the last ms, ours ends as it begins.
  redis.call('SET', KEYS[1], packed, 'PXAT', deadline - 1)
else
  redis.call('SET', KEYS[1], packed)
end
if memo then
  -- DEFINE purge
  purge(base, pk, memo, was_created)
  -- The expired object may have carried the same terms, which were just removed again.
  for i = 6 + lost, 5 + lost + gained do
    redis.call('ZADD', KEYS[i], created, pk)
  end
end
for i = 6, 5 + lost do
  redis.call('ZREM', KEYS[i], pk)
end
if is_new then
  redis.call('ZADD', KEYS[2], created, pk)
end
for i = 0, ordered - 1 do
  local entries, sort_keys = KEYS[first_ordered + 2 * i], KEYS[first_ordered + 2 * i + 1]
  local was, sort_key = redis.call('HGET', sort_keys, pk), ARGV[first_sort_key + i]
  local before = was and was_created and entry(was, was_created, pk)
  local after = sort_key ~= '' and entry(sort_key, created, pk)
  -- The new entry comes first: a set that is empty in between could not be written while
  -- its slot moves to another node of a Cluster.
  if after then
    redis.call('ZADD', entries, 0, after)
    redis.call('HSET', sort_keys, pk, sort_key)
  elseif was then
    redis.call('HDEL', sort_keys, pk)
  end
  if before and before ~= after then
    redis.call('ZREM', entries, before)
  end
end
for i = 0, uniques - 1 do  -- the new value first, too
  local was, field = ARGV[first_value + 2 * i], ARGV[first_value + 2 * i + 1]
  if field ~= '' then
    redis.call('HSET', KEYS[first_unique + i], field, pk)
  end
  if was ~= '' and was ~= field then
    release(KEYS[first_unique + i], was, pk)
  end
end

if deadline then
  redis.call('ZADD', KEYS[3], deadline, pk)
elseif was_expiring then
  redis.call('ZREM', KEYS[3], pk)
end
if new_memo ~= '' then
  redis.call('HSET', KEYS[4], pk, new_memo)
elseif was_expiring then
  redis.call('HDEL', KEYS[4], pk)
end

if has_counters then
  if not stored then
    redis.call('DEL', KEYS[5])
  end
  for i = first_counter, #ARGV, 2 do
    redis.call('HSET', KEYS[5], ARGV[i], ARGV[i + 1])
  end
  if deadline then
    redis.call('PEXPIREAT', KEYS[5], deadline - 1)
  elseif was_expiring then
    redis.call('PERSIST', KEYS[5])
  end
end
